import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.base.tf import keras
from digitline.models import evaluate, lenet5, train
from digitline.models.run.folder import Run
from digitline.models.training import loop, pace

from support import DATASET, call, digitline, python, train_arguments


def weights(workdir):
    return Run(workdir).load()[1].get_weights()


def rows(workdir):
    return [json.loads(line) for line in Run(workdir).metrics.read_text().splitlines()]


def assert_same_weights(first, second):
    for one, other in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_run_folder(trained):
    run = Run(trained.workdir)
    config = json.loads(run.config.read_text())
    assert config["model"] == "lenet5"
    assert config["recipe"]["epochs"] == 3
    assert config["preprocess"]["height"] == 32
    assert config["dataset"]["train_split"] == "train[100:]"
    assert len(config["dataset"]["fingerprint"]) == 16
    assert config["packages"]["tensorflow"]
    assert list(run.checkpoints.glob("ckpt-*.index"))
    figures = json.loads(run.evaluation.read_text())["train[:100]"]
    assert figures["accuracy"] == trained.result["validation_accuracy"] > 0.7
    assert json.loads(run.training_record.read_text())["parameters"] == 61_706


def test_metrics_hold_every_epoch(trained):
    found = rows(trained.workdir)
    assert found[-1]["step"] == trained.result["steps"] == round(3 * 1100 / 64)
    assert [row["epoch"] for row in found] == sorted(row["epoch"] for row in found)
    validated = [row for row in found if "validation_accuracy" in row]
    assert len(validated) == 3
    assert validated[-1]["loss"] < validated[0]["loss"]
    assert all(row["images_per_s"] > 0 for row in found)


def test_the_same_seed_gives_the_same_weights_however_the_steps_are_cut(
    trained, data_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(pace, "_MOST", 7)
    call(train.COMMAND, train_arguments(data_dir, tmp_path / "a", "--log_steps=11"))
    assert_same_weights(trained.workdir, tmp_path / "a")
    call(train.COMMAND, train_arguments(data_dir, tmp_path / "b", "--seed=1"))
    assert not np.array_equal(weights(tmp_path / "b")[0], weights(trained.workdir)[0])


# Dies after that many graph calls, with a checkpoint after each.
KILLED = """
import os, signal, sys
from digitline.models import run, train
log, calls = run.Run.log_metrics, []
def dies(self, row):
    log(self, row)
    calls.append(row)
    if len(calls) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
run.Run.log_metrics = dies
from digitline.base import command
command.main(train.COMMAND, ["digitline train", *sys.argv[2:]])
"""


@pytest.mark.parametrize("calls", [4, 11])
def test_a_killed_run_resumes_to_the_same_bits(calls, trained, data_dir, tmp_path):
    workdir = tmp_path / "killed"
    arguments = train_arguments(data_dir, workdir, "--log_steps=5", "--checkpoint_interval_s=0")
    assert python(KILLED, calls, *arguments, cwd=tmp_path).returncode == -signal.SIGKILL
    assert not Run(workdir).finished
    logged = len(rows(workdir))

    done = digitline("train", *arguments)
    assert done.returncode == 0, done.stderr
    assert f"resuming {workdir} at step" in done.stderr
    assert_same_weights(trained.workdir, workdir)
    steps = [row["step"] for row in rows(workdir)]
    assert steps == sorted(set(steps))  # None twice, none missing.
    assert steps[-1] == trained.result["steps"]
    assert len(steps) > logged


def test_a_kill_at_any_moment(trained, data_dir, tmp_path):
    workdir = tmp_path / "killed"
    arguments = train_arguments(data_dir, workdir, "--log_steps=1", "--epochs=20")
    full = ["train", *arguments, "--checkpoint_interval_s=0"]
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "digitline.cli", *full],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        before = os.path.getsize(Run(workdir).metrics) if Run(workdir).metrics.exists() else 0
        while time.monotonic() < deadline and process.poll() is None:
            if Run(workdir).metrics.exists() and os.path.getsize(Run(workdir).metrics) > before:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL  # It was still training.
    unbroken = tmp_path / "unbroken"
    call(train.COMMAND, train_arguments(data_dir, unbroken, "--epochs=20"))
    done = digitline(*full)
    assert done.returncode == 0, done.stderr
    assert_same_weights(workdir, unbroken)


def test_a_finished_run_is_not_trained_over_unless_asked(trained, data_dir, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "run")
    before = Run(workdir).model.stat().st_mtime_ns
    result = call(train.COMMAND, train_arguments(data_dir, workdir))
    assert result["reused"]
    assert Run(workdir).model.stat().st_mtime_ns == before
    assert result["validation_accuracy"] == trained.result["validation_accuracy"]
    (workdir / "notes.txt").write_text("mine")
    again = call(train.COMMAND, train_arguments(data_dir, workdir, "--overwrite"))
    assert not again["reused"]
    assert Run(workdir).model.stat().st_mtime_ns > before
    assert (workdir / "notes.txt").read_text() == "mine"


def test_evaluating_the_validation_split_leaves_the_run_as_it_is(trained, data_dir, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "run")
    call(evaluate.COMMAND, [f"--workdir={workdir}", "--split=train[:100]"])
    again = call(train.COMMAND, train_arguments(data_dir, workdir))
    assert {**again, "workdir": "", "reused": 0} == {**trained.result, "workdir": "", "reused": 0}


def test_figures_that_were_lost_are_made_again(trained, data_dir, tmp_path, capsys):
    workdir = shutil.copytree(trained.workdir, tmp_path / "run")
    whole = json.loads(Run(workdir).evaluation.read_text())
    for lost in ('{"test": {"accuracy": 0.5}}', None):
        Run(workdir).evaluation.unlink()
        if lost:  # As after an evaluation of another split.
            Run(workdir).evaluation.write_text(lost)
        again = call(train.COMMAND, train_arguments(data_dir, workdir))
        assert again["reused"]
        assert again["validation_accuracy"] == trained.result["validation_accuracy"]
        assert "lacks the figures of train[:100]" in capsys.readouterr().err
        found = json.loads(Run(workdir).evaluation.read_text())["train[:100]"]
        assert found["confusion"] == whole["train[:100]"]["confusion"]


def test_a_dry_run_names_no_folder_and_leaves_no_cache(data_dir, tmp_path):
    more = ("--dry_run", "--cache=file", f"--cache_dir={tmp_path / 'cache'}")
    result = call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", *more))
    assert result["workdir"] is None
    assert result["parameters"] == 61_706
    assert "nothing is left of the run" in train.text(result)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("convnet3", 24, r"images 24x24x1 \(18x18x1 after --crop=3\).* too small.* --crop=0"),
        ("convnet3", 6, r"images 6x6x1: --crop=3 of the recipe cuts .* leaves none; give --crop=0"),
        ("cnn", 5, r"images 5x5x1: they are too small"),
    ],
)
def test_images_too_small_for_the_network(model, size, message, tmp_path):
    np.savez(tmp_path / "few.npz", images=np.zeros((40, size, size)), labels=np.arange(40) % 4)
    arguments = [
        f"--model={model}", f"--data={tmp_path / 'few.npz'}", f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}", "--max_steps=1", "--noreport",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=message):
        call(train.COMMAND, arguments)
    if size == 24:  # What the line advises finds the folder free.
        assert call(train.COMMAND, [*arguments, "--crop=0"])["steps"] == 1


def test_files_of_others_are_neither_used_nor_deleted(data_dir, tmp_path):
    workdir = tmp_path / "project"
    (workdir / ".tmp-mine").mkdir(parents=True)
    (workdir / "config.json").write_text('{"model": "theirs"}')
    for more in ([], ["--overwrite"]):
        with pytest.raises(UsageError, match=r"config\.json is not of a run of digitline"):
            call(train.COMMAND, train_arguments(data_dir, workdir, *more))
    assert (workdir / "config.json").read_text() == '{"model": "theirs"}'
    assert (workdir / ".tmp-mine").exists()


def test_a_typo_does_not_take_the_workdir(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--epochs=1")
    for wrong in ("--train_split=trian", "--validation_split=train[:0]", "--epochs=inf"):
        with pytest.raises(UsageError):
            call(train.COMMAND, [*arguments, wrong])
    call(train.COMMAND, arguments)


def test_splits_that_share_images_are_refused(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run")
    for wrong in ("--train_split=train", "--validation_split=train[1000:]+test"):
        with pytest.raises(UsageError, match=r"share \d+ images"):
            call(train.COMMAND, [*arguments, wrong])


def test_damaged_records_may_be_left_out(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "data")
    shard = next((tmp_path / "data").glob(f"{DATASET}/*/*-train.tfrecord-00001-*"))
    content = bytearray(shard.read_bytes())
    size = len(content) // 400
    for record in (7, 300):
        content[record * size + 100] ^= 0xFF
    shard.write_bytes(content)
    for cache in ("memory", "file", "off"):
        arguments = train_arguments(tmp_path / "data", tmp_path / cache, f"--cache={cache}")
        done = digitline("train", *arguments, "--epochs=1", "--max_corrupt_records=2", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["corrupt_records"] == 2
        assert done.stderr.count(f"skipped {shard}, record ") == 4  # Before and after.
    done = digitline("train", *arguments, "--overwrite", "--max_corrupt_records=1")
    assert done.returncode == 1
    assert "more than --max_corrupt_records=1 records are damaged" in done.stderr


def test_a_mix_balance_and_a_trial(data_dir, tmp_path):
    shutil.copytree(data_dir / DATASET, tmp_path / "data" / DATASET)
    shutil.copytree(data_dir / DATASET, tmp_path / "data" / "other")
    for more in (["--mix=other:0.5"], ["--balance_classes"], ["--skip=50", "--take=640"]):
        arguments = train_arguments(tmp_path / "data", tmp_path / more[0].strip("-"), *more)
        result = call(train.COMMAND, [*arguments, "--epochs=1"])
        assert result["validation_accuracy"] > 0.3
    assert result["steps"] == 10
    for wrong in ("--mix=other", "--mix=none:1", "--mix=other:x", "--skip=5000"):
        with pytest.raises(UserError):
            call(train.COMMAND, train_arguments(tmp_path / "data", tmp_path / "w", wrong))


def test_augmented_training(data_dir, tmp_path):
    more = ("--augment_shift=1", "--augment_rotate=10", "--augment_elastic=1")
    result = call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", *more))
    assert result["validation_accuracy"] > 0.6


def test_another_cache_is_another_order(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--epochs=1")
    call(train.COMMAND, arguments)
    with pytest.raises(UsageError, match=r"pipeline\.cache is memory there, off here"):
        call(train.COMMAND, [*arguments, "--cache=off"])


# Two logical processors stand for two GPUs.
MIRRORED = """
import sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from digitline.models import feed, train
feed.strategy = lambda: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
from digitline.base import command
command.main(train.COMMAND, ["digitline train", *sys.argv[1:]])
"""


def test_two_replicas_train_as_one(trained, data_dir, tmp_path):
    done = python(MIRRORED, *train_arguments(data_dir, tmp_path / "run"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for one, other in zip(weights(trained.workdir), weights(tmp_path / "run"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_dropout_and_regularizers_resume_to_the_same_bits(data_dir, tmp_path, monkeypatch):
    def build(input_shape, num_classes):
        layers = keras.layers
        inputs = keras.Input(input_shape)
        x = layers.Dropout(0.4)(layers.Flatten()(inputs))
        x = layers.Dense(16, "relu", kernel_regularizer=keras.regularizers.L2(0.1))(x)
        x = layers.BatchNormalization()(x)
        return keras.Model(inputs, layers.Dense(num_classes)(x))

    monkeypatch.setattr(lenet5, "build", build)
    arguments = ["--log_steps=4", "--checkpoint_interval_s=0"]
    call(train.COMMAND, train_arguments(data_dir, tmp_path / "whole", *arguments))

    log, calls = Run.log_metrics, []

    def stops(self, row):
        log(self, row)
        calls.append(row)
        if len(calls) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "log_metrics", stops)
    with pytest.raises(KeyboardInterrupt):
        call(train.COMMAND, train_arguments(data_dir, tmp_path / "cut", *arguments))
    monkeypatch.setattr(Run, "log_metrics", log)
    resumed = call(train.COMMAND, train_arguments(data_dir, tmp_path / "cut", *arguments))
    assert resumed["resumed_from"] > 0
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_workdir_of_another_run_is_refused_with_the_difference(trained, data_dir):
    arguments = train_arguments(data_dir, trained.workdir, "--learning_rate=0.5")
    with pytest.raises(UsageError, match=r"recipe\.learning_rate is 0\.003 there, 0\.5 here"):
        call(train.COMMAND, arguments)


def test_a_workdir_of_another_model_is_refused(trained, data_dir, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "run")
    config = json.loads(Run(workdir).config.read_text())
    Run(workdir).config.write_text(json.dumps({**config, "model": "mlp"}))
    done = digitline("train", *train_arguments(data_dir, workdir))
    assert done.returncode == 2
    assert "model is mlp there, lenet5 here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("cache", ["file", "off"])
def test_other_caches_train_too(cache, data_dir, tmp_path):
    result = call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", f"--cache={cache}"))
    assert result["validation_accuracy"] > 0.7


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_other_optimizers_train_too(optimizer, data_dir, tmp_path):
    rate = {"sgd": 0.05, "rmsprop": 0.002}[optimizer]
    more = (f"--optimizer={optimizer}", f"--learning_rate={rate}", "--label_smoothing=0.05")
    result = call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", *more))
    assert result["validation_accuracy"] > 0.7


def test_a_diverging_run_is_said_to_diverge(data_dir, tmp_path):
    more = ("--optimizer=sgd", "--learning_rate=1e9", "--momentum=0")
    with pytest.raises(UserError, match=r"the loss is .* at step .*: training diverged"):
        call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", *more))
    assert not Run(tmp_path / "run").finished


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_a_corrupt_shard_is_named(cache, data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "data")
    shard = next((tmp_path / "data").glob(f"{DATASET}/*/*-train.tfrecord-00001-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    arguments = train_arguments(tmp_path / "data", tmp_path / "run", f"--cache={cache}")
    done = digitline("train", *arguments)
    assert done.returncode == 1
    assert f"{shard}, record 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_one_line(data_dir, tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
        "from digitline.base import command; from digitline.models import train\n"
        "command.main(train.COMMAND, ['digitline train', *sys.argv[1:]])\n"
    )
    for cache in ("file", "memory"):
        workdir = tmp_path / cache
        done = python(
            code, *train_arguments(data_dir, workdir, f"--cache={cache}"), cwd=tmp_path, timeout=60
        )
        assert done.returncode == 1
        (line,) = (line for line in done.stderr.splitlines() if "error:" in line)
        assert f"{workdir}/" in line
        assert "File too large; free some space" in line
        assert "Traceback" not in done.stderr
        assert "{{" not in line
        assert not Run(workdir).finished


def test_the_model_binary_takes_the_same_flags(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--epochs=1", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "digitline.models.lenet5", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "lenet5"
    assert "of 1: loss" in done.stderr


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [
        ("--model=lenet", 2, "unknown model 'lenet'; did you mean lenet5?"),
        ("--dataset=tiny", 1, "tiny is not prepared in"),
        ("--train_split=trian", 2, "no split 'trian'"),
        ("--epochs=-1", 2, "--epochs=-1"),
        ("--workdir=/proc/none", 1, "cannot write to the folder /proc/none"),
    ],
)
def test_mistakes(flag, code, message, data_dir, tmp_path):
    done = digitline("train", *train_arguments(data_dir, tmp_path / "run"), flag)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def damage(data_dir, split, records):
    """Flips a byte in some records of the second shard of a split; returns its path."""
    shard = next(data_dir.glob(f"{DATASET}/*/*-{split}.tfrecord-00001-*"))
    content = bytearray(shard.read_bytes())
    size = len(content) // {"train": 400, "test": 100}[split]
    for record in records:
        content[record * size + 100] ^= 0xFF
    shard.write_bytes(content)
    return shard


def test_every_command_goes_on_without_damaged_records(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "data")
    # In the training and in the validation part of the training shard.
    shard = damage(tmp_path / "data", "train", (7, 300))
    other = damage(tmp_path / "data", "test", (5,))
    workdir, data = tmp_path / "run", tmp_path / "data"
    arguments = train_arguments(
        data, workdir, "--epochs=1", "--train_split=train[:500]+train[900:]",
        "--validation_split=train[500:900]",
    )  # fmt: skip
    done = digitline("train", *arguments, "--max_corrupt_records=1")
    assert done.returncode == 1
    assert "more than --max_corrupt_records=1 records" in done.stderr
    done = digitline("train", *arguments, "--max_corrupt_records=2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["corrupt_records"] == 2
    assert f"skipped {shard}, record 300: " in done.stderr
    for name, *more in (
        ("evaluate", f"--workdir={workdir}"),
        ("inspect", f"--dataset={DATASET}", f"--data_dir={data}", f"--output_dir={tmp_path}"),
        (
            "export",
            f"--workdir={workdir}",
            f"--export_dir={tmp_path / 'exports'}",
            "--tflite_variants=float32",
        ),
    ):
        done = digitline(name, *more)
        assert done.returncode == 1, name
        assert ", record 5: " in done.stderr or name == "inspect"
        assert "leave it out with --max_corrupt_records=N" in done.stderr
        done = digitline(name, *more, "--max_corrupt_records=3")
        assert done.returncode == (name == "inspect"), done.stderr
        assert f"skipped {other}, record 5: " in done.stderr
        assert name != "inspect" or "FAILED  3 records are damaged: " in done.stdout
    figures = json.loads(Run(workdir).evaluation.read_text())["test"]
    assert (figures["examples"], figures["corrupt_records"]) == (299, 1)


def test_shards_of_a_split_are_disjoint_and_complete(data_dir, tmp_path, monkeypatch):
    seen = []
    given = loop.train

    def keeps(run, config, sources, *arguments, **options):
        seen.append([part for source in sources for part in source.shards])
        return given(run, config, sources, *arguments, **options)

    monkeypatch.setattr(loop, "train", keeps)
    for index in range(3):
        more = (f"--shard={index}/3", "--epochs=1")
        call(train.COMMAND, train_arguments(data_dir, tmp_path / f"{index}", *more))
    records = [
        (part.path, record)
        for parts in seen
        for part in parts
        for record in range(part.skip, part.skip + part.take)
    ]
    assert len(records) == len(set(records)) == 1100
    for wrong in ("3/3", "0", "a/b", "0/9999"):
        with pytest.raises(UsageError, match=f"shard={wrong}"):
            call(train.COMMAND, train_arguments(data_dir, tmp_path / "w", f"--shard={wrong}"))

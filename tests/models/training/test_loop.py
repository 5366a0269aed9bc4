"""How a run goes on and ends, by the command line."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.models import train
from digitline.models.run.folder import Run
from digitline.models.training import loop

from support import call, digitline, train_arguments

# Everything that has a state: the optimizer's moments, averages, augmentation, a schedule.
ALL = (
    "--optimizer=adamw", "--weight_decay=0.01", "--clip_norm=1", "--average=0.98",
    "--schedule=one_cycle", "--warmup=0.3", "--augment_shift=2", "--augment_rotate=10",
    "--label_smoothing=0.1",
)  # fmt: skip


def weights(workdir):
    return Run(workdir).load()[1].get_weights()


def rows(workdir):
    return [json.loads(line) for line in Run(workdir).metrics.read_text().splitlines()]


def validated(workdir):
    return [row for row in rows(workdir) if "validation_loss" in row]


def started(workdir, arguments):
    """A training in a process of its own that has written its first row."""
    process = subprocess.Popen(
        [sys.executable, "-m", "digitline.cli", "train", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    before = os.path.getsize(Run(workdir).metrics) if Run(workdir).metrics.exists() else 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if Run(workdir).metrics.exists() and os.path.getsize(Run(workdir).metrics) > before:
            break
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def unbroken(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "unbroken"
    call(train.COMMAND, train_arguments(data_dir, workdir, "--epochs=12", *ALL))
    return workdir


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_rest_gives_the_same_bits(
    number, code, unbroken, data_dir, tmp_path
):
    workdir = tmp_path / "run"
    arguments = train_arguments(data_dir, workdir, "--epochs=12", "--log_steps=1", *ALL)
    process = started(workdir, [*arguments, "--checkpoint_interval_s=999"])
    process.send_signal(number)
    assert process.wait(60) == code
    said = process.stderr.read()
    assert f"the state is saved in {workdir}, and the same command goes on from there" in said
    assert "Traceback" not in said
    saved = max(row["step"] for row in rows(workdir))
    done = digitline("train", *arguments)
    assert done.returncode == 0, done.stderr
    assert f"resuming {workdir} at step {saved:,} of" in done.stderr
    for one, other in zip(weights(unbroken), weights(workdir), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_checkpoint_is_passed_over_and_the_bits_are_the_same(
    unbroken, data_dir, tmp_path
):
    workdir = tmp_path / "run"
    arguments = train_arguments(data_dir, workdir, "--epochs=12", "--log_steps=1", *ALL)
    process = started(workdir, [*arguments, "--checkpoint_interval_s=0", "--keep_checkpoints=3"])
    while len(rows(workdir)) < 20 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    newest = max(
        Run(workdir).checkpoints.glob("ckpt-*.json"), key=lambda path: path.stat().st_mtime
    )
    data = newest.with_name(f"{newest.stem}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1])
    done = digitline("train", *arguments)
    assert done.returncode == 0, done.stderr
    assert f"the checkpoint {newest.with_suffix('')} is damaged" in done.stderr
    assert "using the checkpoint before it" in done.stderr
    for one, other in zip(weights(unbroken), weights(workdir), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_weights_are_kept_if_asked(data_dir, tmp_path):
    # A rate at which the accuracy goes up and down.
    arguments = train_arguments(
        data_dir, tmp_path / "run", "--epochs=8", "--learning_rate=0.02", "--schedule=constant",
        "--keep=best",
    )  # fmt: skip
    result = call(train.COMMAND, arguments)
    found = validated(tmp_path / "run")
    best = max(row["validation_accuracy"] for row in found)
    assert result["validation_accuracy"] == result["best"]["validation_accuracy"] == best
    assert result["best"]["step"] in [
        row["step"] for row in found if row["validation_accuracy"] == best
    ]
    model = Run(tmp_path / "run").load()[1]
    assert model.count_params() == result["parameters"]


def test_patience_counts_from_the_lowest_loss_and_keeps_the_best_weights(data_dir, tmp_path):
    arguments = train_arguments(
        data_dir, tmp_path / "run", "--epochs=40", "--learning_rate=0.02", "--schedule=constant",
        "--patience=3",
    )  # fmt: skip
    result = call(train.COMMAND, arguments)
    found = validated(tmp_path / "run")
    lowest = min(range(len(found)), key=lambda number: found[number]["validation_loss"])
    assert result["ended_by"] == "patience"
    assert len(found) - 1 - lowest == 3
    best = max(row["validation_accuracy"] for row in found)
    assert result["validation_accuracy"] == best


def test_patience_ends_a_run_that_no_longer_improves(data_dir, tmp_path):
    arguments = train_arguments(
        data_dir, tmp_path / "run", "--epochs=40", "--learning_rate=0", "--schedule=constant",
        "--patience=3",
    )  # fmt: skip
    result = call(train.COMMAND, arguments)
    assert result["ended_by"] == "patience"
    assert rows(tmp_path / "run")[-1]["epoch"] == pytest.approx(4, abs=0.1)
    assert call(train.COMMAND, arguments)["reused"]


def test_limits_of_steps_and_minutes(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "a", "--max_steps=7")
    result = call(train.COMMAND, arguments)
    assert (result["steps"], result["ended_by"]) == (7, "max_steps")
    arguments = train_arguments(data_dir, tmp_path / "b", "--epochs=1e6", "--max_minutes=0.05")
    result = call(train.COMMAND, arguments)
    assert result["ended_by"] == "max_minutes"
    assert 3 <= result["seconds"] < 15
    assert rows(tmp_path / "b")[-1]["validation_accuracy"] == result["validation_accuracy"]


def test_validation_as_often_as_asked(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--validation_epochs=0.5")
    call(train.COMMAND, arguments)
    steps = [row["step"] for row in validated(tmp_path / "run")]
    assert steps == [9, 18, 26, 35, 43, 52]  # 17.19 steps in an epoch, 52 in all.
    figures = json.loads(Run(tmp_path / "run").evaluation.read_text())["train[:100]"]
    assert figures["examples"] == 100


def test_validation_reads_anew_where_images_are_not_held(data_dir, tmp_path):
    found = {}
    for cache in ("memory", "off"):
        arguments = train_arguments(data_dir, tmp_path / cache, f"--cache={cache}", "--epochs=2")
        call(train.COMMAND, [*arguments, "--learning_rate=0", "--schedule=constant"])
        found[cache] = [row["validation_loss"] for row in validated(tmp_path / cache)]
    assert len(found["off"]) == 2
    assert found["off"] == found["memory"]


def test_rows_hold_rate_and_norms(data_dir, tmp_path):
    call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", "--log_steps=5", *ALL))
    found = rows(tmp_path / "run")
    assert [row["step"] for row in found if row["step"] % 5 == 0] == list(range(5, 52, 5))
    assert max(row["learning_rate"] for row in found) == pytest.approx(3e-3, rel=0.1)
    assert found[-1]["learning_rate"] > 0  # The last step's, not that of the one after.
    for row in found:
        assert 0 < row["gradient_norm"] < 100
        assert 5 < row["weight_norm"] < 100


def test_a_loss_that_is_not_finite_stops_at_its_step(data_dir, tmp_path):
    more = ("--optimizer=sgd", "--learning_rate=1e9", "--momentum=0", "--schedule=constant",
            "--warmup=0")  # fmt: skip
    done = digitline("train", *train_arguments(data_dir, tmp_path / "run", *more))
    assert done.returncode == 1
    assert "the loss is nan at step 2: training diverged (norm of the gradients" in done.stderr
    assert not Run(tmp_path / "run").finished


def test_a_last_step_that_diverges_is_found_by_the_validation(data_dir, tmp_path):
    more = ("--optimizer=sgd", "--learning_rate=1e38", "--schedule=constant", "--warmup=0",
            "--max_steps=1")  # fmt: skip
    with pytest.raises(UserError, match=r"the validation loss is nan at step 1: .* of the weights"):
        call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", *more))
    assert not Run(tmp_path / "run").finished


def test_metrics_that_are_no_rows_end_the_metrics(tmp_path):
    run = Run(tmp_path)
    run.metrics.write_text('{"step": 1}\n5\n{"step": 2}\n')
    run.rewind_metrics(9)
    assert run.metrics.read_text() == '{"step": 1}\n'


def test_a_dry_run_leaves_nothing(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--dry_run", "--json")
    done = digitline("train", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["dry_run"], found["parameters"], found["steps"]) == (True, 61_706, 2)
    assert not list(tmp_path.iterdir())


def test_tensorboard_says_what_to_install_or_writes(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--tensorboard")
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match=r"pip install 'digitline\[tensorboard\]'"):
            call(train.COMMAND, arguments)
    else:
        call(train.COMMAND, arguments)
        assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents*"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_deterministic_and_bfloat16_train(dtype, data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", "--deterministic", f"--dtype={dtype}")
    done = digitline("train", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["validation_accuracy"] > 0.7
    model = Run(tmp_path / "run").load()[1]
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_settings_have_the_flags_defaults():
    for name, value in vars(loop.Settings()).items():
        if name != "cache_dir":
            assert train.FLAGS[name].default == value

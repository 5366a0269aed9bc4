"""`digitline train` and its run folder."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError, UserError
from digitline.data import inspect
from digitline.export import benchmark, exporter
from digitline.models import evaluate, train
from digitline.models.report import command as report
from digitline.models.run.folder import Run
from digitline.models.run.metrics_file import MetricsFile
from digitline.models.run.records import MetricsRow

from support import (
    DATASET,
    call,
    damage,
    full_disk,
    perform,
    quick_arguments,
    train_arguments,
)


def test_the_run_folder(trained):
    run = Run(trained.workdir)
    config = json.loads(run.config.read_text())
    assert config["model"] == "lenet5"
    assert config["recipe"]["epochs"] == 3
    assert config["preprocess"]["height"] == 32
    assert config["dataset"]["train_split"] == "train[10%: by class]"
    assert config["pipeline"]["shuffle_buffer"] is None
    assert len(config["dataset"]["fingerprint"]) == 16
    assert config["packages"]["tensorflow"]
    assert list(run.checkpoints.glob("ckpt-*.index"))
    figures = json.loads(run.evaluation.read_text())["train[:10% by class]"]
    assert figures["accuracy"] == trained.result["validation_accuracy"] > 0.7
    assert json.loads(run.training_record.read_text())["parameters"] == 61_706


def test_python_callers_give_options(data_dir, tmp_path):
    options = train.TrainOptions(
        model="softmax",
        dataset=DATASET,
        data_dir=data_dir,
        workdir=tmp_path / "run",
        changes={"max_steps": 2},
        report=False,
    )
    result = train.run(options)
    assert (result.record.steps, result.recipe) == (2, "best")


def test_a_finished_run_is_not_trained_over(quick, data_dir, tmp_path):
    workdir = shutil.copytree(quick.workdir, tmp_path / "run")
    before = Run(workdir).model.stat().st_mtime_ns
    arguments = quick_arguments(data_dir, workdir)
    result = call(train.COMMAND, arguments)
    assert result["reused"]
    assert Run(workdir).model.stat().st_mtime_ns == before
    assert result["validation_accuracy"] == quick.result["validation_accuracy"]
    (workdir / "notes.txt").write_text("mine")
    again = call(train.COMMAND, [*arguments, "--overwrite"])
    assert not again["reused"]
    assert Run(workdir).model.stat().st_mtime_ns > before
    assert (workdir / "notes.txt").read_text() == "mine"


def test_without_a_workdir_dataset_and_model_name_it(
    quick, data_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    arguments = [word for word in quick_arguments(data_dir, "") if word != "--workdir="]
    workdir = "runs/tiny_digits/softmax"
    assert call(train.COMMAND, arguments)["workdir"] == workdir
    assert call(evaluate.COMMAND, ["--split=train[:10% by class]"])["workdir"] == workdir
    said = capsys.readouterr().err
    assert f"--workdir={workdir}: the newest finished run, softmax on tiny_digits" in said
    # As the last release left it: no folder of the dataset.
    (tmp_path / workdir).rename("runs/softmax")
    assert call(train.COMMAND, arguments) == {
        **call(train.COMMAND, [*arguments, "--workdir=runs/softmax"]),
        "workdir": "runs/softmax",
        "reused": True,
    }
    assert "runs/softmax holds this very run" in capsys.readouterr().err
    other = call(train.COMMAND, [*arguments, "--max_steps=1"])
    assert (other["workdir"], other["reused"]) == (workdir, False)


def test_a_run_of_the_last_release_keeps_its_splits(data_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [word for word in quick_arguments(data_dir, "") if word != "--workdir="]
    arguments.append("--max_steps=2")
    splits = ("--train_split=train[100:]", "--validation_split=train[:100]")
    call(train.COMMAND, [*arguments, *splits])
    (tmp_path / "runs/tiny_digits/softmax").rename("runs/softmax")  # As it began runs.
    for workdir in ("runs/softmax", "runs/tiny_digits/softmax"):
        again = call(train.COMMAND, arguments)
        assert (again["workdir"], again["reused"]) == (workdir, True)
        assert again["validation_split"] == "train[:100]"
        (tmp_path / workdir).rename("runs/tiny_digits/softmax")
    other = ("--train_split=train[10%: by class]", "--validation_split=train[:10% by class]")
    with pytest.raises(UsageError, match=r"train_split is train\[100:\] there, train\[10%: by cl"):
        call(train.COMMAND, [*arguments, *other, "--workdir=runs/tiny_digits/softmax"])
    begun_anew = call(train.COMMAND, [*arguments, "--overwrite"])
    assert begun_anew["validation_split"] == "train[:10% by class]"


@pytest.mark.parametrize(
    "command", [evaluate.COMMAND, exporter.COMMAND, benchmark.COMMAND, report.COMMAND]
)
def test_without_a_finished_run_there_is_nothing_to_go_on_with(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["formats"] if command is benchmark.COMMAND else []
    with pytest.raises(UserError, match="runs holds no finished run: train one first"):
        call(command, words)
    assert list(tmp_path.iterdir()) == []


def test_evaluating_the_validation_split_leaves_the_run_as_it_is(quick, data_dir, tmp_path):
    workdir = shutil.copytree(quick.workdir, tmp_path / "run")
    call(evaluate.COMMAND, [f"--workdir={workdir}", "--split=train[:10% by class]"])
    again = call(train.COMMAND, quick_arguments(data_dir, workdir))
    assert {**again, "workdir": "", "reused": 0} == {**quick.result, "workdir": "", "reused": 0}


def test_lost_figures_are_made_again(quick, data_dir, tmp_path, capsys):
    workdir = shutil.copytree(quick.workdir, tmp_path / "run")
    whole = json.loads(Run(workdir).evaluation.read_text())
    older = {
        "train[:10% by class]": {"accuracy": 0.5, "loss": 1.0}
    }  # Of a version with fewer figures.
    for lost in (json.dumps({"test": whole["train[:10% by class]"]}), json.dumps(older), None):
        Run(workdir).evaluation.unlink()
        if lost:  # As after an evaluation of another split.
            Run(workdir).evaluation.write_text(lost)
        again = call(train.COMMAND, quick_arguments(data_dir, workdir))
        assert again["reused"]
        assert again["validation_accuracy"] == quick.result["validation_accuracy"]
        assert "lacks the figures of train[:10% by class]" in capsys.readouterr().err
        made = json.loads(Run(workdir).evaluation.read_text())["train[:10% by class]"]
        assert made["confusion"] == whole["train[:10% by class]"]["confusion"]


def test_a_dry_run_names_no_folder_and_leaves_nothing(data_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = ("--dry_run", "--cache=file", f"--cache_dir={tmp_path / 'cache'}")
    result = call(train.COMMAND, quick_arguments(data_dir, tmp_path / "run", *more))
    assert (result["dry_run"], result["workdir"]) == (True, None)
    assert (result["parameters"], result["steps"]) == (7850, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("convnet3", 24, r"images 24x24x1 \(18x18x1 after --crop=3\).* too small.* --crop=0"),
        ("convnet3", 6, r"images 6x6x1: --crop=3 cuts .* leaves none; give --crop=0"),
        ("cnn", 5, r"images 5x5x1: they are too small"),
    ],
)
def test_rejects_images_too_small_for_the_network(model, size, message, tmp_path):
    np.savez(tmp_path / "few.npz", images=np.zeros((40, size, size)), labels=np.arange(40) % 4)
    arguments = [
        f"--model={model}", f"--data={tmp_path / 'few.npz'}", f"--data_dir={tmp_path}",
        f"--workdir={tmp_path / 'run'}", "--max_steps=1", "--noreport",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=message):
        call(train.COMMAND, arguments)
    if size == 24:  # What the line advises finds the folder free.
        assert call(train.COMMAND, [*arguments, "--crop=0"])["steps"] == 1


@pytest.mark.parametrize(
    ("model", "crop", "message"),
    [
        ("mlp", 14, "--crop=14 cuts that many pixels"),
        ("lenet5", 2, "lenet5 takes only one size of images"),
    ],
)
def test_rejects_a_crop_that_cannot_be(model, crop, message, data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "run", f"--model={model}", f"--crop={crop}")
    with pytest.raises(UsageError, match=message):
        call(train.COMMAND, arguments)


def test_files_of_others_are_neither_used_nor_deleted(data_dir, tmp_path):
    workdir = tmp_path / "project"
    (workdir / ".tmp-mine").mkdir(parents=True)
    (workdir / "config.json").write_text('{"model": "theirs"}')
    for more in ([], ["--overwrite"]):
        with pytest.raises(UsageError, match=r"config\.json does not belong to a run of digitline"):
            call(train.COMMAND, train_arguments(data_dir, workdir, *more))
    assert (workdir / "config.json").read_text() == '{"model": "theirs"}'
    assert (workdir / ".tmp-mine").exists()


@pytest.mark.parametrize(
    ("flag", "error", "message"),
    [
        ("--model=lenet", UsageError, "unknown model 'lenet'; did you mean lenet5?"),
        ("--model=swift", UsageError, "swift has no article recipe; choose from: best"),
        ("--dataset=tiny", UserError, "tiny is not prepared in"),
        ("--train_split=trian", UsageError, "no split 'trian'"),
        ("--validation_split=train[:0]", UsageError, r"train\[:0\] of tiny_digits holds no images"),
        ("--epochs=-1", UsageError, "--epochs=-1"),
        ("--epochs=0", UsageError, "--epochs=0 trains nothing"),
        ("--epochs=inf", UsageError, "--epochs=inf"),
        ("--workdir=/proc/none", UserError, "cannot write to the folder /proc/none"),
    ],
)
def test_mistakes(flag, error, message, data_dir, tmp_path):
    with pytest.raises(error, match=message):
        call(train.COMMAND, [*train_arguments(data_dir, tmp_path / "run"), flag])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--learning_rate=0.5", r"recipe\.learning_rate is 0\.003 there, 0\.5 here"),
        ("--model=mlp", "model is softmax there, mlp here"),
        ("--cache=off", r"pipeline\.cache is memory there, off here"),
    ],
)
def test_rejects_a_workdir_of_another_run(flag, message, quick, data_dir):
    with pytest.raises(UsageError, match=message):
        call(train.COMMAND, quick_arguments(data_dir, quick.workdir, flag))


def test_a_mix_and_balanced_classes_train(data_dir, train_here):
    for more in ("--mix=tiny_digits:0.5", "--balance_classes"):
        result = train_here(more.strip("-"), more, "--epochs=1").result
        assert result["validation_accuracy"] > 0.3


ROW = MetricsRow(2, 0.5, 1.0, 0.5, 2.0, 100.0, 0.1, 3.0)


def test_metrics_are_cut_after_the_step_that_a_run_goes_on_from(tmp_path):
    log = MetricsFile(tmp_path / "metrics.jsonl")
    for step in (2, 4):
        log.append(dataclasses.replace(ROW, step=step))
    written = log.written()
    log.append(dataclasses.replace(ROW, step=6, loss=float("nan")))
    assert [row["step"] for row in log.rows(written)] == [2, 4, 6]
    assert "loss" not in log.rows()[-1]
    with open(log.path, "a") as file:
        file.write('{"step": 8, "epo')  # A kill came here.
    log.rewind(4, written)
    assert log.written() == written
    log.rewind(2, None)  # Of a checkpoint that does not say what there was.
    assert [row["step"] for row in log.rows()] == [2]
    assert "validation_loss" not in json.loads(log.path.read_text())


@pytest.mark.parametrize("line", ["5", "{", '{"step": 1}', '{"step": "1"}', "[" * 9999])
def test_metrics_that_are_not_rows_are_named(line, tmp_path):
    log = MetricsFile(tmp_path / "metrics.jsonl")
    log.append(ROW)
    written = log.written()
    log.path.write_text(f"{log.path.read_text()}{line}\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 2: not a row of figures; restor"):
        log.rewind(9, None)
    log.rewind(2, written)
    assert log.written() == written
    log.path.write_text(log.path.read_text().replace("100.0", "101.0"))
    with pytest.raises(DataError, match=r"metrics\.jsonl is not as training wrote it; restore"):
        log.rewind(2, written)
    log.path.unlink()  # As the message says.
    log.rewind(2, written)


@pytest.mark.parametrize(
    "cache", ["memory", *(pytest.param(name, marks=pytest.mark.long) for name in ("off", "file"))]
)
def test_damaged_records_may_be_left_out(cache, data_dir, tmp_path, capsys):
    shutil.copytree(data_dir, tmp_path / "data")
    shard = damage(tmp_path / "data", "train", 7, 300)
    arguments = quick_arguments(tmp_path / "data", tmp_path / "run", f"--cache={cache}")
    with pytest.raises(UserError, match=r"more than --max_corrupt_records=1 records are damaged"):
        call(train.COMMAND, [*arguments, "--max_corrupt_records=1"])
    capsys.readouterr()
    result = call(train.COMMAND, [*arguments, "--max_corrupt_records=2"])
    assert result["corrupt_records"] == 2
    assert result["validation_accuracy"] > 0.5
    assert capsys.readouterr().err.count(f"skipped {shard}, record ") == 4  # Before and after.


@pytest.mark.long
def test_every_command_leaves_damaged_records_out(data_dir, tmp_path, capfd):
    data = shutil.copytree(data_dir, tmp_path / "data")
    # In the training and in the validation part of the training shard.
    shard, other = damage(data, "train", 7, 300), damage(data, "test", 5)
    workdir, more = tmp_path / "run", "--max_corrupt_records=3"
    splits = ("--train_split=train[:500]+train[900:]", "--validation_split=train[500:900]")
    result = call(train.COMMAND, quick_arguments(data, workdir, *splits, "--epochs=1", more))
    assert result["corrupt_records"] == 2
    assert f"skipped {shard}, record 300: " in capfd.readouterr().err
    for command, arguments in (
        (evaluate.COMMAND, [f"--workdir={workdir}"]),
        (
            exporter.COMMAND,
            [
                f"--workdir={workdir}",
                f"--export_dir={tmp_path / 'exports'}",
                "--formats=tflite",
                "--tflite_variants=float32",
            ],
        ),
    ):
        with pytest.raises(UserError, match=r", record 5: .*leave it out with --max_corrupt_rec"):
            call(command, arguments)
        call(command, [*arguments, more])
        assert f"skipped {other}, record 5: " in capfd.readouterr().err
    figures = json.loads(Run(workdir).evaluation.read_text())["test"]
    assert (figures["examples"], figures["corrupt_records"]) == (299, 1)
    arguments = [f"--dataset={DATASET}", f"--data_dir={data}", f"--output_dir={tmp_path / 'out'}"]
    assert "3 records are damaged" in json.dumps(call(inspect.COMMAND, [*arguments, more]))


@pytest.mark.parametrize("cache", ["file", pytest.param("memory", marks=pytest.mark.long)])
def test_a_full_disk_is_one_line(cache, data_dir, tmp_path):
    workdir = tmp_path / cache
    arguments = quick_arguments(data_dir, workdir, f"--cache={cache}")
    message = rf"^.*{workdir}/[^{{}}\n]*File too large; allow larger files[^{{}}\n]*$"
    with full_disk(9_000), pytest.raises(UserError, match=message):
        perform(train.COMMAND, arguments)
    assert not Run(workdir).finished


def test_the_network_is_a_binary_with_the_same_flags(data_dir, tmp_path):
    """In a process of its own: determinism, which is the whole process's, is asked for too."""
    more = ("--epochs=1", "--json", "--deterministic", "--dtype=bfloat16")
    arguments = train_arguments(data_dir, tmp_path / "run", *more)
    done = subprocess.run(
        [sys.executable, "-m", "digitline.models.softmax", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "softmax"
    assert "of 1: loss" in done.stderr
    model = Run(tmp_path / "run").load()[1]
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}

"""Runs and exports are found by their files, newest first, whatever lies beside them."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from stub_folders import config_of, make_export, make_run

from digitline.base import catalog
from digitline.base.errors import UserError


@pytest.fixture
def runs(tmp_path):
    """Runs of every kind below one folder."""
    root = tmp_path / "my runs"
    make_run(root / "mnist/lenet5", 1000)
    make_run(root / "letters/sub set/mlp", 2000, model="mlp", dataset="letters/sub set")
    make_run(root / "mnist/tiny")
    (make_run(root / "cut", 4000) / "model.keras").write_bytes(b"PK half")
    (make_run(root / "torn") / "config.json").write_text("{")
    (make_run(root / "foreign") / "config.json").write_text("[]")
    (make_run(root / "lost", 5000) / "config.json").unlink()
    make_run(root / "mnist/lenet5/checkpoints/no-run", 6000)
    (root / "mnist/lenet5/link").symlink_to(root)
    return root


def test_lists_runs_and_names_the_damage(runs):
    there = {str(run.workdir.relative_to(runs)): run for run in catalog.runs(runs)}
    assert {name for name, run in there.items() if run.finished} == {
        "mnist/lenet5", "letters/sub set/mlp",
    }  # fmt: skip
    assert there["letters/sub set/mlp"].dataset == "letters/sub set"
    assert there["mnist/tiny"].damage is None
    damages = {name: run.damage for name, run in there.items() if run.damage}
    assert damages["cut"] == "model.keras is not a whole file"
    assert "config.json holds a list, not a JSON object" in damages["foreign"]
    assert "not valid JSON" in damages["torn"]
    assert "does not exist" in damages["lost"]
    assert len(there) == 7
    assert len(damages) == 4


def test_the_newest_finished_run_is_chosen_and_said(runs, capsys):
    for newer in ("cut", "lost"):
        os.utime(runs / newer / "model.keras", (500, 500))
    assert catalog.newest_run(runs) == runs / "letters/sub set/mlp"
    said = capsys.readouterr().err
    assert "letters/sub set/mlp: the newest finished run, mlp on letters/sub set" in said
    assert said.count("is passed over: ") == 4


def test_an_older_run_is_not_taken_for_a_damaged_newer_one(runs):
    with pytest.raises(UserError, match=r"cut may be .* newest .*damaged: model.keras is not a wh"):
        catalog.newest_run(runs)
    shutil.rmtree(runs / "cut")
    message = r"lost may be .*config.json does not exist.*--workdir .*, such as .*/sub set/mlp$"
    with pytest.raises(UserError, match=message):
        catalog.newest_run(runs)
    for sound in ("mnist", "letters", "torn", "foreign"):
        shutil.rmtree(runs / sound)
    with pytest.raises(UserError, match="lost may be the newest"):
        catalog.newest_run_if_any(runs)
    os.unlink(runs / "lost/model.keras")
    (runs / "lost/metrics.jsonl").touch()
    assert catalog.newest_run_if_any(runs) is None


def refuse(path):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def shut(monkeypatch, *folders):
    """Makes folders ones that this user may not look into, also where it is root."""
    scan = os.scandir

    def scandir(path):
        return refuse(path) if Path(path) in folders else scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_folders_that_cannot_be_read_are_listed(tmp_path, monkeypatch, capsys):
    runs, exports, day = tmp_path / "runs", tmp_path / "exports", "2026-01-02T03:04:05+00:00"
    make_run(runs / "a", 2000)
    make_run(runs / "b", 3000)
    make_export(exports / "tflite/lenet5/9", day, config_of())
    (exports / "tflite/mlp").mkdir()
    model, opened = runs / "a/model.keras", os.open
    shut(monkeypatch, runs / "b", exports / "tflite/mlp", exports / "onnx")
    (exports / "onnx").mkdir()
    damages = {run.workdir.name: run.damage for run in catalog.runs(runs)}
    assert damages["a"] is None
    assert damages["b"].startswith(f"{runs / 'b'}: Permission denied; ")
    with monkeypatch.context() as closed:
        closed.setattr(
            os, "open", lambda path, *_: refuse(path) if path == model else opened(path, *_)
        )
        (run,) = catalog.runs(runs / "a")
    assert run.damage.startswith(f"{model}: Permission denied; ")
    found = [
        (export.folder.relative_to(exports), export.damage) for export in catalog.exports(exports)
    ]
    assert [(str(folder), bool(damage)) for folder, damage in found] == [
        ("tflite/lenet5/9", False), ("tflite/mlp", True), ("onnx", True),
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"b may be the newest finished run.*: Permission denied"):
        catalog.newest_run(runs)
    for path in (runs / "b/model.keras", runs / "b"):  # As `lost+found` of a disk is.
        os.utime(path, (1000, 1000))
    assert catalog.newest_run(runs) == runs / "a"
    assert "b is passed over: " in capsys.readouterr().err


def test_no_finished_run_names_those_that_are_there(tmp_path):
    with pytest.raises(UserError, match=r"none holds no finished run: train one first \(.* train"):
        catalog.newest_run(tmp_path / "none")
    make_run(tmp_path / "begun")
    (make_run(tmp_path / "torn") / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"begun is not finished; .*torn is damaged: .*JSON"):
        catalog.newest_run(tmp_path)


def test_a_folder_without_a_run_names_those_that_there_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"gone holds no run .*; train one first \(.* train\)"):
        catalog.exports_of(Path("gone"))
    make_run(tmp_path / "runs/mnist/mlp")
    for folder in ("gone", "runs/mnist"):
        with pytest.raises(UserError, match=f"{folder} holds no run .*are: runs/mnist/mlp$"):
            catalog.exports_of(Path(folder))


def test_finds_the_newest_export_of_a_run(tmp_path, capsys):
    exports, day = tmp_path / "exports", "2026-01-02T03:04:05+00:00"
    workdir = make_run(tmp_path / "run", 1000)
    with pytest.raises(UserError, match=r"holds no export of the run in .* export --workdir="):
        catalog.exports_of(workdir, exports)
    make_export(exports / "tflite/lenet5/9", "2026-01-01T00:00:00+00:00", config_of())
    newest = make_export(exports / "tflite/lenet5/10", day, config_of())
    make_export(exports / "onnx/lenet5/10", day, config_of()).joinpath("model.tflite").unlink()
    make_export(exports / "tflite/other/11", "2026-02-02T00:00:00+00:00", config_of("mlp"))
    (exports / "tflite/lenet5/notes").mkdir()
    torn = make_export(exports / "tflite/lenet5/12", day, config_of()) / "manifest.json"
    torn.write_text("{")
    with pytest.raises(UserError, match=r"lenet5/12 may be the newest export .* not valid JSON"):
        catalog.exports_of(workdir, exports)
    shutil.rmtree(torn.parent)
    (export,) = catalog.exports_of(workdir, exports)
    assert (export.folder, export.version, export.accuracy) == (newest, 10, 0.99)
    assert [found.version for found in catalog.exports(exports)] == [9, 10, 11, 10]
    assert catalog.exports(exports)[-1].damage == "model.tflite is missing"
    assert capsys.readouterr().err == ""
    os.utime(workdir / "model.keras")
    catalog.exports_of(workdir, exports)
    assert "trained again after version 10 of lenet5" in capsys.readouterr().err

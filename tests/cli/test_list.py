"""`digitline list`."""

import pytest
from stub_folders import config_of, make_export, make_run

from digitline.base import command as commands
from digitline.base.errors import UsageError
from digitline.cli import list as list_command

from support import DATASET, call, python


@pytest.fixture
def where(data_dir, tmp_path):
    """Flags that lead to runs of each state, and to two formats of an export."""
    runs, exports = tmp_path / "my runs", tmp_path / "exports"
    make_run(runs / "done", 1e9)
    make_run(runs / "begun")
    (make_run(runs / "torn") / "config.json").write_text("{")
    for export_format in ("onnx", "tflite"):
        folder = exports / export_format / "digits" / "3"
        make_export(folder, "2026-01-02T03:04:05+00:00", config_of("mlp"))
    return [f"--data_dir={data_dir}", f"--runs_dir={runs}", f"--export_dir={exports}"]


def test_lists_everything(where):
    text = list_command.text(commands.call(list_command.COMMAND, where))
    lines = [line.split() for line in text.splitlines()]
    assert [DATASET, "1.0.0", "28x28x1", "10", "train", "1,200,", "test", "300"] in lines
    states = {
        line.split()[1].rpartition("/")[2]: line for line in text.splitlines() if "/my" in line
    }
    assert "finished 2001-09-0" in states["done"]
    assert "not finished" in states["begun"]
    assert "damaged: " in states["torn"]
    assert (
        sum("digits/3 " in line and "99.00%  exported 20" in line for line in text.splitlines())
        == 2
    )


def test_json_has_what_is_wanted(where):
    result = call(list_command.COMMAND, [*where, "runs", "exports"])
    assert list(result) == ["runs", "exports"]
    runs = {run["workdir"].rpartition("/")[2]: run for run in result["runs"]}
    assert (runs["done"]["finished"], runs["done"]["damage"]) == (True, None)
    assert "not valid JSON" in runs["torn"]["damage"]
    assert [export["format"] for export in result["exports"]] == ["tflite", "onnx"]
    assert {export["model"] for export in result["exports"]} == {"mlp"}


def test_nothing_is_there_and_tensorflow_is_not_loaded(tmp_path):
    code = (
        "import sys; from digitline.cli.list import COMMAND; from digitline.base import command\n"
        "print(COMMAND.text(command.call(COMMAND, [])), 'tensorflow' in sys.modules)"
    )
    done = python(code, cwd=tmp_path)
    expected = "no datasets in datasets\n\nno runs in runs\n\nno exports in exports False\n"
    assert done.stdout == expected, done.stderr


def test_rejects_what_cannot_be_listed():
    with pytest.raises(UsageError, match=r"list what\? .* got 'model'"):
        call(list_command.COMMAND, ["model"])

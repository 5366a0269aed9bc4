"""What a command prints to go on with runs as it is printed, whatever the paths are called."""

import importlib
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from digitline.cli import main
from digitline.data import prepare
from digitline.export import exporter
from digitline.export.gate.comparison import Comparison
from digitline.export.stages import Exported
from digitline.models import train
from digitline.models.evaluation import result as evaluation
from digitline.models.run.records import Figures, TrainingRecord


def options_of(text):
    """The options that the last line of a text gives its command."""
    line = text.splitlines()[-1]
    assert line.startswith("next: ")
    program, name, *words = shlex.split(line.removeprefix("next: "))
    of = importlib.import_module(f"digitline.{main.COMMANDS[name][0]}").COMMAND
    of.flags.unparse_flags()
    rest = of.flags([program, *words])[1:]
    return of.options(of.flags, rest)


@pytest.mark.parametrize("name", ["plain", "my run", "it's", 'so "called"', "a,b, c", "$HOME;ls"])
def test_next_lines_run_as_printed(name, monkeypatch):
    monkeypatch.setattr("sys.argv", [f"{name}/digitline"])
    folder = Path(name)
    record = TrainingRecord(parameters=1, steps=1, seconds=1.0, images_per_s=1.0, ended_by="epochs")
    trained = train.Result(folder, "mlp", "best", "mnist", False, "validation", 0.5, 1.0, record)
    assert options_of(train.text(trained)).workdir == (name,)

    split = SimpleNamespace(name="test", dataset=SimpleNamespace(name="mnist", label_names=()))
    figures = Figures(0.5, (0.4, 0.6), 1.0, 0.1, 2, 1, (), (), ())
    monkeypatch.setattr(evaluation, "confusion_matrix", lambda *_: [])
    evaluated = evaluation.Result({"workdir": name}, "mlp", split, figures)
    assert options_of(evaluation.text(evaluated)).workdir == folder

    row = Comparison("SavedModel", "serving_default", "images", 1, 1.0, 1.0, 1.0, 0.0, (), (), 0)
    exported = Exported("mlp", 1, {"tflite_float16": folder}, (row,), (), (), (), {})
    assert options_of(exporter.text(exported)).tflite == folder

    directory = folder / "emnist" / "letters" / "1.0.0"
    prepared = prepare.Prepared(
        False, 1.0, "emnist/letters", "1.0.0", directory, "", (28, 28, 1), 26, {}
    )
    options = options_of(prepare.text(prepared))
    assert (options.dataset, options.data_dir) == ("emnist/letters", folder)

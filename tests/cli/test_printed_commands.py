"""What a command prints to go on with runs as it is printed, whatever the paths are called."""

import importlib
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.cli import main
from digitline.data import prepare
from digitline.export import exporter
from digitline.export.gate.comparison import Comparison
from digitline.export.source import load
from digitline.export.stages import Exported
from digitline.models import evaluate, train
from digitline.models.evaluation import result as evaluation
from digitline.models.run.records import Figures, TrainingRecord
from digitline.models.training.options import TrainOptions

from support import call


def options_of(text):
    """The options that the last line of a text gives its command."""
    line = text.splitlines()[-1]
    assert line.startswith("next: ")
    _, name, *words = shlex.split(line.removeprefix("next: "))
    return options_from(
        importlib.import_module(f"digitline.{main.COMMANDS[name][0]}").COMMAND, words
    )


def options_from(of, words):
    of.flags.unparse_flags()
    rest = of.flags(["digitline", *words])[1:]
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

    evaluated = evaluation.Result({"workdir": name}, "mlp", split, figures, data_dir=folder)
    assert options_of(evaluation.text(evaluated)).data_dir == folder

    directory = folder / "emnist" / "letters" / "1.0.0"
    prepared = prepare.Prepared(
        False, 1.0, "emnist/letters", "1.0.0", directory, "", (28, 28, 1), 26, {}
    )
    options = options_of(prepare.text(prepared))
    assert (options.dataset, options.data_dir) == ("emnist/letters", folder)
    assert options.model == TrainOptions.model


def test_what_train_says_to_prepare_first_keeps_its_flags(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["digitline"])
    np.savez(tmp_path / "few.npz", images=np.zeros((4, 8, 8), np.uint8), labels=[0, 1, 0, 1])
    (tmp_path / "data" / "few" / "1.0.0").mkdir(parents=True)  # What else is in its place.
    flags = ["--model=mlp", "--recipe=article", "--epochs=3", "--noreport", "--take=9"]
    flags += ["--log_steps=7", "--augment_flip", f"--workdir={tmp_path / 'a run'}"]
    files = ["--digits", "--validation_fraction=0.3"]
    data = [f"--data={tmp_path / 'few.npz'}", f"--data_dir={tmp_path / 'data'}"]
    with pytest.raises(DataError, match="so prepare the images first") as caught:
        call(train.COMMAND, [*flags, *files, *data])
    first, then = re.findall(r"digitline \w+ [^;]+", str(caught.value))[-2:]
    request = options_of(f"next: {first}")
    assert (request.overwrite, request.digits, request.validation_fraction) == (True, True, 0.3)
    options = options_of(f"next: {then}")
    assert (options.model, options.recipe, options.report) == ("mlp", "article", False)
    assert options.changes == {"epochs": 3.0, "augment_flip": True}
    assert (options.pipeline.take, options.settings.log_steps) == (9, 7)
    assert options.workdir == tmp_path / "a run"


def test_the_printed_commands_run_without_a_test_split(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(tmp_path / "toy.npz", images=images, labels=np.arange(40) % 2)
    data = [f"--data={tmp_path / 'toy.npz'}", "--test_fraction=0", f"--data_dir={tmp_path}"]
    where = f"--workdir={tmp_path / 'run'}"
    train_options = [*data, where, "--model=softmax", "--max_steps=1", "--noreport"]
    trained = train.run(options_from(train.COMMAND, train_options))
    evaluated = evaluate.run(options_of(train.text(trained)))
    assert evaluated.split.name == "validation"
    assert "toy has no test split: figures are of validation" in capsys.readouterr().err
    options = options_of(evaluation.text(evaluated))
    assert load(options).compared.split.name == "validation"

"""What version 0.1.0 wrote, this version reads.

`testdata/written-by-0.1.0.tar.xz` was written by commit eacb3ab (2026-11-26), the first that was
used elsewhere, in this order; `raw` holds real digits 0 to 2 in 8x8 pixels, as IDX files:

    prepare --dataset=three_digits --source=local --source_dir=raw --data_dir=datasets
    train RUN --workdir=runs/stopped --epochs=60 --validation_epochs=1 --checkpoint_interval_s=0.2
        (SIGTERM at step 4)
    train RUN --workdir=runs/done --epochs=60 --validation_epochs=20 --learning_rate=0.1
    evaluate --workdir=runs/done
    export --workdir=runs/done --data_dir=datasets --export_dir=exports --model_name=three
        --formats=saved_model,tflite --tflite_variants=float32,int8
    predict --tflite=exports/tflite/three/1/model.tflite --json pictures/*.png > answers.json

with the flags `RUN` below. Where a form on disk changes, this archive stays, and one of the release
before comes beside it.
"""

import dataclasses
import json
import tarfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import UsageError
from digitline.serving.core import loading
from digitline.serving.flags import ServeOptions

from support import TESTDATA, call

RUN = (
    *("--dataset=three_digits", "--data_dir=datasets", "--model=softmax"),
    *("--train_split=train[20:]", "--validation_split=train[:20]", "--batch_size=35"),
    *("--noreport", "--log_steps=50"),
)
RESUMED = ("--epochs=60", "--validation_epochs=1", "--checkpoint_interval_s=0.2")
FILES = [f"pictures/{digit}.png" for digit in range(3)]
TFLITE, SAVED_MODEL = "exports/tflite/three/1", "exports/saved_model/three/1"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The folder that 0.1.0 worked in."""
    with tarfile.open(TESTDATA / "written-by-0.1.0.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def answers(here) -> np.ndarray:
    """The probabilities that 0.1.0 gave for the pictures."""
    rows = json.loads((here / "answers.json").read_text())["predictions"]
    return np.array([row["probabilities"] for row in rows])


def test_everything_is_listed_and_nothing_is_damaged(here):
    from digitline.cli import list as listed

    result = json.loads(json.dumps(call(listed.COMMAND, [])))
    names = [entry["name"] for entry in result["datasets"]]
    assert names == ["three_digits"]
    assert {entry["workdir"] for entry in result["runs"]} == {"runs/done", "runs/stopped"}
    assert len(result["exports"]) == 2
    damages = [entry["damage"] for kind in result.values() if kind for entry in kind]
    assert damages == [None] * 5


def test_inspect(here):
    from digitline.data import inspect

    result = call(inspect.COMMAND, ["--dataset=three_digits", "--output_dir=inspected"])
    assert {name: split["examples"] for name, split in result["splits"].items()} == {
        "train": 90,
        "test": 30,
    }


def test_a_stopped_run_goes_on(here):
    from digitline.models import train

    result = call(train.COMMAND, [*RUN, *RESUMED, "--workdir=runs/stopped"])
    assert (result["resumed_from"], result["steps"]) == (4, 120)
    assert result["validation_accuracy"] >= 0.9
    rows = Path("runs/stopped/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == list(range(2, 121, 2))


def test_a_finished_run_is_found_finished_and_evaluated(here):
    from digitline.models import evaluate, train

    flags = ["--epochs=60", "--validation_epochs=20", "--learning_rate=0.1"]
    before = Path("runs/done/model.keras").read_bytes()
    result = call(train.COMMAND, [*RUN, *flags, "--workdir=runs/done"])
    assert result["steps"] == 120
    assert Path("runs/done/model.keras").read_bytes() == before
    recorded = json.loads(Path("runs/done/evaluation.json").read_text())["test"]
    evaluated = call(evaluate.COMMAND, ["--workdir=runs/done"])
    for figure in ("accuracy", "loss", "examples"):
        assert evaluated[figure] == pytest.approx(recorded[figure])


def test_a_recipe_that_is_another_now_is_as_it_was_then(here, monkeypatch):
    from digitline.models import softmax, train

    now = {name: dataclasses.replace(it, momentum=0.3) for name, it in softmax.RECIPES.items()}
    monkeypatch.setattr(softmax, "RECIPES", now)
    flags = [*RUN, "--validation_epochs=20", "--workdir=runs/done"]
    assert call(train.COMMAND, [*flags, "--epochs=60", "--learning_rate=0.1"])["reused"]
    with pytest.raises(UsageError, match=r"recipe\.learning_rate is 0\.1 there"):
        call(train.COMMAND, [*flags, "--epochs=60", "--learning_rate=0.2"])


@pytest.mark.long
def test_report(here):
    from digitline.models.report import command

    call(command.COMMAND, ["--workdir=runs/done"])
    assert "three_digits" in Path("runs/done/report.html").read_text()


@pytest.mark.long
@pytest.mark.parametrize("formats", ["tflite", "saved_model"])
def test_export_again(formats, here):
    from digitline.export import exporter

    flags = ["--workdir=runs/done", "--data_dir=datasets", "--model_name=three", "--runtimes=none"]
    result = call(exporter.COMMAND, [*flags, f"--formats={formats}", "--tflite_variants=float32"])
    assert result["version"] == 2
    assert Path(f"exports/{formats}/three/1").is_dir()


@pytest.mark.parametrize(
    ("artifact", "within"),
    [
        (f"--tflite={TFLITE}/model.tflite", 1e-6),
        (f"--tflite={TFLITE}/model_int8.tflite", 0.02),
        pytest.param(f"--saved_model={SAVED_MODEL}", 1e-6, marks=pytest.mark.long),
    ],
)
def test_predict(artifact, within, answers):
    from digitline.serving import predict

    result = call(predict.COMMAND, [artifact, *FILES])
    assert [row["label"] for row in result["predictions"]] == ["0", "1", "2"]
    probabilities = [row["probabilities"] for row in result["predictions"]]
    np.testing.assert_allclose(probabilities, answers, atol=within)


@pytest.mark.parametrize(
    ("folder", "platform"),
    [(TFLITE, "tflite"), pytest.param(SAVED_MODEL, "tensorflow", marks=pytest.mark.long)],
)
def test_serve(folder, platform, answers):
    (Path(TFLITE) / "model_int8.tflite").unlink()  # One file is served.
    servable = loading.load(Path(folder), platform, ServeOptions())
    images = np.stack([np.asarray(PIL.Image.open(file)) for file in FILES])[..., np.newaxis]
    outputs = [
        servable.run("serving_default", {"images": images[index : index + 1]}, ["probabilities"])
        for index in range(len(images))
    ]
    servable.close()
    given = np.concatenate([probabilities for (probabilities,) in outputs])
    np.testing.assert_allclose(given, answers, atol=1e-6)

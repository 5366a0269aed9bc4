"""The Python interface: the line with softmax regression, and pictures for the boxed model."""

import inspect
import signal
import typing
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

import digitline
from digitline.models.run.folder import Run
from digitline.models.run.metrics_file import MetricsFile
from digitline.models.training.options import TrainOptions
from digitline.serving.prediction.answers import Answer
from digitline.serving.prediction.model import BOXED

from support import DATASET, python

QUICK = {"model": "softmax", "recipe": "article", "dataset": DATASET, "report": False}


def test_import_loads_nothing_and_defines_no_flags(tmp_path):
    code = (
        "import sys, digitline; assert not {'numpy', 'absl'} & set(sys.modules)\n"
        "from absl import app, flags, logging; before = set(flags.FLAGS)\n"
        "import inspect; help(digitline.train); inspect.signature(digitline.load)\n"
        "assert not {'tensorflow', 'keras', 'tensorflow_datasets'} & set(sys.modules)\n"
        "assert set(flags.FLAGS) == before and not flags.FLAGS.is_parsed()\n"
    )
    done = python(code, "--no_flag_of_ours", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epochs: float = None" in done.stdout
    assert "\n      init_from: Begin with the weights" in done.stdout


@pytest.fixture(scope="module")
def line(data_dir, tmp_path_factory):
    """Two trainings, one after the other, and an export of the second. Do not change them."""
    root = tmp_path_factory.mktemp("line")
    runs = [
        digitline.train(
            **QUICK, data_dir=str(data_dir), workdir=root / f"run-{seed}", epochs=3, seed=seed,
            learning_rate=0.05,
        )
        for seed in (0, 1)
    ]  # fmt: skip
    exported = digitline.export(
        workdir=runs[1].workdir, export_dir=str(root / "exports"), formats=["tflite"],
        tflite_variants="float32", split="test[:60]",
    )  # fmt: skip
    return SimpleNamespace(runs=runs, exported=exported, root=root)


def test_prepares_what_is_prepared(data_dir):
    prepared = digitline.prepare(dataset=DATASET, source_dir=data_dir, data_dir=str(data_dir))
    assert (prepared.reused, prepared.image_shape) == (True, (28, 28, 1))


def test_trainings_in_one_process_are_as_in_two(line, data_dir, tmp_path):
    assert [run.reused for run in line.runs] == [False, False]
    assert len({run.validation_loss for run in line.runs}) == 2
    options = TrainOptions(
        model="softmax", recipe="article", dataset=DATASET, report=False, data_dir=data_dir,
        workdir=tmp_path / "again", seed=0, changes={"epochs": 3, "learning_rate": 0.05},
    )  # fmt: skip
    assert digitline.train(options).validation_loss == line.runs[0].validation_loss
    assert digitline.train(options).reused


def test_a_run_and_its_export_answer_as_they_were_evaluated(line, test_images, tmp_path):
    images, labels = test_images
    run, tflite = line.runs[1].workdir, line.exported.artifacts["tflite"]
    keras_file = run / "model.keras"
    base = tflite.parent.parent
    figures = digitline.evaluate(workdir=run).figures
    assert digitline.evaluate(tflite=tflite).figures.correct == figures.correct
    for place in (run, str(keras_file), tflite, tflite.parent, base):
        model = digitline.load(place)
        assert (model.labels, model.image_shape) == (tuple("0123456789"), (28, 28, 1))
        answers = model.predict(images)
        assert (
            sum(one.number == label for one, label in zip(answers, labels, strict=True))
            == figures.correct
        )
        assert answers[0].probabilities.shape == (10,)
    assert model.threshold is not None
    assert {one.answer for one in answers} == {Answer.CLASS, Answer.NOT_SURE}


def test_the_trained_model_says_that_it_takes_no_raw_pixels(line):
    _, model = Run(line.runs[0].workdir).load()
    assert model.input.name == "normalized_images"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: digitline.train(epoch=3), digitline.UsageError, "no option epoch; did you mean"),
        (lambda: digitline.train("lenet5"), digitline.UsageError, "keywords, or one TrainOptions"),
        (lambda: digitline.train(model="lenet"), digitline.UsageError, "did you mean lenet5"),
        (
            lambda: digitline.train(TrainOptions(changes={"epoch": 3})),
            digitline.UsageError,
            "no option epoch",
        ),
        (lambda: digitline.train(data="x", dataset="y"), digitline.UsageError, "give one of them"),
        (lambda: digitline.train(fit="pad"), digitline.UsageError, "--fit goes with --data"),
        (lambda: digitline.prepare(dataset="csv"), digitline.UsageError, "needs --source_file"),
        (lambda: digitline.evaluate(workdir="none"), digitline.UserError, "none holds no run"),
        (lambda: digitline.export(verify_only="."), digitline.UsageError, "the command does that"),
        (lambda: digitline.load("none"), digitline.UserError, "none is not there"),
        (lambda: digitline.load("."), digitline.UserError, "neither a run, nor"),
    ],
)
def test_what_is_wrong_is_an_exception(call, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        call()


def test_an_interrupted_training_goes_on(data_dir, tmp_path, monkeypatch):
    log_metrics = MetricsFile.append

    def interrupted(log, row):
        log_metrics(log, row)
        if not list(log.path.parent.glob("checkpoints/ckpt-*.json")):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(MetricsFile, "append", interrupted)
    # Tests that are started in the background inherit that it is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = {**QUICK, "data_dir": data_dir, "workdir": tmp_path / "run", "log_steps": 4}
    with pytest.raises(KeyboardInterrupt, match="the state is saved"):
        digitline.train(**asked)
    signal.signal(signal.SIGINT, before)
    assert digitline.train(**asked).record.resumed_from == 4


def test_export_is_a_function_and_a_package():
    import digitline.export.exporter

    assert digitline.export.exporter.COMMAND.name == "export"
    assert "tflite_variants" in inspect.signature(digitline.export).parameters
    with pytest.raises(digitline.UsageError, match="no option format; did you mean formats"):
        digitline.export(format="tflite")


def test_every_name_is_there_and_no_other():
    assert all(typing.cast(object, getattr(digitline, name)) for name in digitline.__all__)
    assert set(digitline.__all__) <= set(dir(digitline))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = digitline.trian


@pytest.fixture
def boxed():
    return digitline.load(BOXED)


def test_pictures_in_every_form_get_the_same_answers(boxed, test_images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = test_images[0][:4], test_images[1][:4]
    opened = [PIL.Image.fromarray(image[:, :, 0]) for image in images]
    for number, picture in enumerate(opened):
        picture.save(f"{number}.png")
    large = np.kron(images, np.ones((1, 4, 4, 1), np.uint8))
    forms = [
        images, large, large[..., 0], images[..., 0], images.reshape(4, -1), list(images),
        images.astype(float) / 255,
        opened, [picture.convert("RGBA") for picture in opened],
        "*.png", str(tmp_path), [f"{number}.png" for number in range(4)],
        [*opened[:2], images[2], "3.png"],
    ]  # fmt: skip
    for form in forms:
        answers = boxed.predict(form, top_k=2)
        assert [one.label for one in answers] == [str(label) for label in labels]
        assert [len(one.top) for one in answers] == [2] * 4
    for form in (images[0], images[0, :, :, 0], large[0], opened[0], tmp_path / "0.png"):
        (answer,) = boxed.predict(form)
        assert answer.number == labels[0]


def test_blank_pictures_and_photographs_are_seen(boxed, test_images):
    blank, large = PIL.Image.new("RGB", (90, 40), "white"), PIL.Image.new("L", (400, 300), 200)
    digit = 255 - np.kron(test_images[0][0, :, :, 0], np.ones((8, 8), np.uint8))
    large.paste(PIL.Image.fromarray(np.minimum(digit, 200)), (100, 40))
    nearly = (np.arange(28 * 28, dtype=np.uint8) % 2).reshape(28, 28)  # Noise, not fractions.
    first, second, third = boxed.predict([blank, large, nearly])
    assert (first.answer, second.answer) == (Answer.BLANK, Answer.CLASS)
    assert third.answer is Answer.BLANK
    assert second.label == str(test_images[1][0])


def test_what_cannot_be_read_is_refused_or_said(boxed, test_images, tmp_path, capsys):
    (tmp_path / "0.png").write_bytes(b"no picture")
    PIL.Image.fromarray(test_images[0][0, :, :, 0]).save(tmp_path / "1.png")
    with pytest.raises(digitline.DataError, match=r"0\.png: not a picture"):
        boxed.predict(tmp_path)
    (answer,) = boxed.predict(tmp_path, skip_damaged=True)
    assert answer.file == str(tmp_path / "1.png")
    assert "left out: " in capsys.readouterr().err
    for wrong, message in [
        (3, "expected paths, arrays or Pillow's pictures, got int"),
        ([b"bytes"], "got bytes"),
        (np.zeros((2, 30, 30, 4)), r"expected images \[N, H, W\]"),
        (np.zeros((300, 400)), r"expected images \[N, H, W\]"),
        (np.array(["7"]), "expected numbers"),
        ([np.zeros((28, 28)), np.zeros((28, 28, 1))], "give images of one shape"),
        (np.full((28, 28), -1), "expected pixels from 0 to 255"),
    ]:
        with pytest.raises(digitline.UserError, match=message):
            boxed.predict(wrong, skip_damaged=True)
    for nothing in ([], np.zeros((0, 28, 28), np.uint8)):
        assert boxed.predict(nothing) == []

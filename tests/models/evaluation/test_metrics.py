import json

import numpy as np
import pytest

from digitline.base.errors import DataError, UserError
from digitline.data.pipeline.batches import evaluation_batches
from digitline.data.pipeline.records import load
from digitline.models import evaluate, train
from digitline.models.evaluation.metrics import evaluator, of_probabilities, wilson_interval
from digitline.models.run.folder import Run

from support import call, digitline, train_arguments


def test_wilson_interval_against_a_published_value():
    # Newcombe 1998, table I, example (a): 81 of 263.
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(10, 10)[1] == pytest.approx(1)
    assert wilson_interval(0, 10)[0] == pytest.approx(0)


def test_figures_against_numpy(trained, dataset):
    config, model = Run(trained.workdir).load()
    images, labels = load(dataset.split("test"))
    logits = model.predict(config.preprocess(images), verbose=0)
    batches = evaluation_batches(dataset.split("test"), config.preprocess, 70)
    found = evaluator(model)(batches)
    labels = labels.numpy()
    assert found.examples == 300
    assert found.correct == (logits.argmax(1) == labels).sum()
    shifted = logits - logits.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(300), labels]
    assert found.loss == pytest.approx(losses.mean(), rel=1e-4)
    np.testing.assert_array_equal(found.confusion.sum(1), np.bincount(labels))
    wrong = np.flatnonzero(logits.argmax(1) != labels)
    np.testing.assert_array_equal(found.misclassified, wrong)


def test_figures_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 3])
    probabilities = np.zeros((6, 4), np.float32)
    for place, (predicted, sure) in enumerate(
        ((0, 0.9), (0, 0.8), (1, 0.7), (1, 0.95), (0, 0.6), (3, 1.0))
    ):
        probabilities[place] = (1 - sure) / 3
        probabilities[place, predicted] = sure
    found = of_probabilities(labels, probabilities)
    assert found.correct == 4
    assert found.misclassified.tolist() == [2, 4]
    assert found.confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    rows = found.by_class()
    assert rows[0] == {"images": 3, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}
    assert rows[1] == {"images": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert rows[2] == {"images": 0, "precision": None, "recall": None, "f1": None}
    # In bins of a fifteenth: 0.9 right, 0.8 right, 0.7 wrong, 0.95 and 1 right, 0.6 wrong.
    expected = (0.1 + 0.2 + 0.7 + (0.05 + 0) + 0.6) / 6
    assert found.calibration_error == pytest.approx(expected, abs=1e-6)
    chosen = [0.9, 0.8, 0.1, 0.95, 0.4 / 3, 1.0]
    assert found.loss == pytest.approx(-np.log(chosen).mean(), rel=1e-5)


def test_evaluate_adds_the_split_to_the_run(trained, dataset):
    result = call(evaluate.COMMAND, [f"--workdir={trained.workdir}"])
    # Guessing gets 0.1; a short training on 1,100 images gets far more.
    assert result["accuracy"] > 0.7
    assert result["examples"] == 300
    recorded = json.loads(Run(trained.workdir).evaluation.read_text())
    assert set(recorded) == {"train[:100]", "test"}
    assert recorded["test"]["accuracy"] == result["accuracy"]
    low, high = result["accuracy_interval_95"]
    assert low < result["accuracy"] < high


def test_json_of_evaluate(trained):
    done = digitline("evaluate", f"--workdir={trained.workdir}", "--split=test[:50]", "--json")
    figures = json.loads(done.stdout)
    assert figures["examples"] == 50
    assert 0 <= figures["accuracy"] <= 1


def test_an_export_has_the_figures_of_its_run(well_trained, exported):
    run = call(evaluate.COMMAND, [f"--workdir={well_trained.workdir}"])
    for kind in ("saved_model", "tflite"):
        path = exported.result["artifacts"][kind]
        found = call(evaluate.COMMAND, [f"--{kind}={path}"])
        assert found["misclassified"] == run["misclassified"]
        assert found["loss"] == pytest.approx(run["loss"], rel=1e-4)
        assert found["dataset"] == "tiny_digits"


def test_probabilities_that_are_not_finite_are_refused():
    probabilities = np.full((5, 2), 0.5, np.float32)
    probabilities[3:] = np.nan
    with pytest.raises(DataError, match=r"of 2 of 5 images are not finite .* image 3:"):
        of_probabilities(np.zeros(5, np.int64), probabilities)


def test_an_ensemble_is_the_mean_of_the_probabilities(trained, data_dir, dataset, tmp_path):
    other = tmp_path / "other"
    call(train.COMMAND, train_arguments(data_dir, other, "--seed=5"))
    found = call(evaluate.COMMAND, [f"--workdir={trained.workdir},{other}"])
    means, singles = 0, []
    for workdir in (trained.workdir, other):
        config, model = Run(workdir).load()
        batches = evaluation_batches(dataset.split("test"), config.preprocess, 300)
        figures = evaluator(model)(batches)
        means = means + figures.probabilities / 2
        singles.append(figures.accuracy)
    assert found["single_accuracies"] == singles
    assert found["accuracy"] == (means.argmax(1) == figures.labels).mean()
    assert found["model"] == "ensemble of 2 (lenet5)"


def test_text_shows_classes_and_confusion(trained):
    done = digitline("evaluate", f"--workdir={trained.workdir}")
    assert done.returncode == 0, done.stderr
    assert "class      images    precision    recall      F1" in done.stdout
    assert "true class by row, predicted by column:" in done.stdout
    assert "misclassified, by place in test: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--tflite=a.tflite"], 2, "--workdir and --tflite: give one of them"),
        (["--dataset=mnist"], 2, "--dataset goes with --saved_model and --tflite"),
        (["--split=tset"], 2, "no split 'tset'"),
        (["--split=test[:0]"], 2, "the split test[:0] of tiny_digits holds no images"),
        (["--workdir=none"], 1, "none holds no run"),
        (["--data_dir=none"], 1, "tiny_digits is not prepared in none"),
    ],
)
def test_mistakes(arguments, code, message, trained, tmp_path):
    done = digitline("evaluate", f"--workdir={trained.workdir}", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_model_is_named(trained, tmp_path):
    run = Run(tmp_path)
    run.config.write_text(Run(trained.workdir).config.read_text())
    whole = Run(trained.workdir).model.read_bytes()
    for damaged in (whole[:1000], b"", whole[:5000] + b"x" * 5000 + whole[10_000:]):
        run.model.write_bytes(damaged)
        with pytest.raises(UserError, match=r"model\.keras cannot be loaded"):
            call(evaluate.COMMAND, [f"--workdir={tmp_path}"])

import json

import numpy as np
import pytest

from digitline.base import command
from digitline.base.errors import UserError
from digitline.data import pipeline
from digitline.models import evaluate
from digitline.models.evaluation import evaluator, wilson_interval
from digitline.models.run import Run

from support import digitline


def test_wilson_interval_against_a_published_value():
    # Newcombe 1998, table I, example (a): 81 of 263.
    low, high = wilson_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson_interval(10, 10)[1] == pytest.approx(1)
    assert wilson_interval(0, 10)[0] == pytest.approx(0)


def test_figures_against_numpy(trained, dataset):
    config, model = Run(trained.workdir).load()
    images, labels = pipeline.load(dataset, "test")
    logits = model.predict(config.preprocess(images), verbose=0)
    batches = pipeline.evaluation_batches(dataset, "test", config.preprocess, batch_size=70)
    found = evaluator(model, 10)(batches)
    labels = labels.numpy()
    assert found.examples == 300
    assert found.correct == (logits.argmax(1) == labels).sum()
    shifted = logits - logits.max(1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(300), labels]
    assert found.loss == pytest.approx(losses.mean(), rel=1e-4)
    np.testing.assert_array_equal(found.confusion.sum(1), np.bincount(labels))


def test_evaluate_adds_the_split_to_the_run(trained, dataset):
    result = command.call(evaluate.COMMAND, [f"--workdir={trained.workdir}"])
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


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
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
            command.call(evaluate.COMMAND, [f"--workdir={tmp_path}"])

import json
import re
import shutil

import numpy as np
import pytest

from digitline.base import configs
from digitline.base.errors import UsageError, UserError
from digitline.data.pipeline.batches import evaluation_batches
from digitline.data.pipeline.records import load
from digitline.models import evaluate
from digitline.models.evaluation.corruptions import CORRUPTIONS, corrupted
from digitline.models.evaluation.metrics import evaluator
from digitline.models.run.folder import Run

from support import call


def test_evaluate_adds_the_split_to_the_run(trained, dataset):
    result = call(evaluate.COMMAND, [f"--workdir={trained.workdir}"])
    # Guessing gets 0.1; a short training on 1,081 images gets far more.
    assert result["accuracy"] > 0.7
    assert result["examples"] == 300
    recorded = json.loads(Run(trained.workdir).evaluation.read_text())
    assert set(recorded) >= {"train[:10% by class]", "test"}
    assert recorded["test"]["accuracy"] == result["accuracy"]
    low, high = result["accuracy_interval_95"]
    assert low < result["accuracy"] < high


def test_an_export_has_the_figures_of_its_run(well_trained, exported):
    run = call(evaluate.COMMAND, [f"--workdir={well_trained.workdir}"])
    for kind in ("saved_model", "tflite"):
        path = exported.result["artifacts"][kind]
        found = call(evaluate.COMMAND, [f"--{kind}={path}"])
        assert found["misclassified"] == run["misclassified"]
        assert found["loss"] == pytest.approx(run["loss"], rel=1e-4)
        assert found["dataset"] == "tiny_digits"


def test_an_ensemble_is_the_mean_of_the_probabilities(trained, quick, dataset):
    other = quick.workdir
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
    assert found["model"] == "ensemble of 2 (lenet5, softmax)"


def test_text_shows_classes_and_confusion(trained):
    options = evaluate.EvaluateOptions(workdir=(str(trained.workdir),), split="test[:50]")
    text = evaluate.COMMAND.text(evaluate.run(options))
    assert re.search(r"class +images +precision +recall +F1", text)
    assert "true class by row, predicted by column:" in text
    assert "misclassified, by index in test[:50]: " in text
    assert "export --workdir=" in text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--tflite=a.tflite"], UsageError, "--workdir and --tflite: give one of them"),
        (["--dataset=mnist"], UsageError, "--dataset goes with --saved_model and --tflite"),
        (["--split=tset"], UsageError, "no split 'tset'"),
        (["--split=test[:0]"], UsageError, r"the split test\[:0\] of tiny_digits holds no images"),
        (["--workdir=none"], UserError, "none holds no run"),
        (["--data_dir=none"], UserError, "tiny_digits is not prepared in none"),
    ],
)
def test_mistakes(arguments, error, message, trained):
    with pytest.raises(error, match=message):
        call(evaluate.COMMAND, [f"--workdir={trained.workdir}", *arguments])


def test_a_damaged_model_is_named(trained, tmp_path):
    run = Run(tmp_path)
    run.config.write_text(Run(trained.workdir).config.read_text())
    record = json.loads(Run(trained.workdir).training_record.read_text())
    older = {name: record[name] for name in record if name not in ("made", "digest")}
    whole = Run(trained.workdir).model.read_bytes()
    for damaged in (whole[:1000], b"", whole[:5000] + b"x" * 5000 + whole[10_000:]):
        run.model.write_bytes(damaged)
        for recorded, message in ((record, "not the model that"), (older, "cannot be loaded")):
            run.training_record.write_text(json.dumps(recorded))
            with pytest.raises(UserError, match=rf"model\.keras:? {message}"):
                call(evaluate.COMMAND, [f"--workdir={tmp_path}"])


def test_corruptions_are_told_and_recorded(well_trained, exported, tmp_path):
    found = well_trained.result["corruptions"]
    shares = np.array([row["accuracies"] for row in found["by_corruption"]])
    assert shares.shape == (15, 5)
    assert found["accuracy"] == pytest.approx(shares.mean())
    assert 0.3 < found["relative_accuracy"] < 1
    assert shares[:, 0].mean() > shares[:, 4].mean() + 0.1
    # An artifact, which sees them in other batches, has the same.
    options = evaluate.EvaluateOptions(
        tflite=exported.tflite, split="test[:30]", corruptions=True, batch_size=16
    )
    result = evaluate.run(options)
    assert evaluate.COMMAND.to_json(result)["corruptions"] == found
    text = evaluate.COMMAND.text(result)
    assert f"accuracy on corrupted images, the mean: {found['accuracy']:.2%}" in text
    assert re.search(r"corruption +strength 1 +2 +3 +4 +5 +mean", text)
    # One of them by hand.
    config, model = Run(well_trained.workdir).load()
    images, labels = (value.numpy() for value in load(result.split))
    changed = config.preprocess(corrupted(images, "shear", 4, np.arange(30)))
    right = model.predict(changed, verbose=0).argmax(1) == labels
    assert dict(zip(CORRUPTIONS, shares[:, 3], strict=True))["shear"] == right.mean()
    # A later evaluation without them leaves them in the record.
    workdir = shutil.copytree(well_trained.workdir, tmp_path / "run")
    call(evaluate.COMMAND, [f"--workdir={workdir}", "--split=test[:30]"])
    assert configs.to_config(Run(workdir).evaluations.robustness()["test[:30]"]) == found

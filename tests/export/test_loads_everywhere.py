"""SavedModels through what other people load them with, from the files alone."""

import io
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from digitline.base.tfrecord import image_example
from digitline.export.runtimes.adapters import c_api

from support import python

SAVED_MODEL_CLI = Path(sysconfig.get_path("scripts")) / "saved_model_cli"


def ran(*command: object, cwd: Path) -> str:
    """What a command that ends well prints."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def images(test_images, tmp_path_factory) -> SimpleNamespace:
    """The test images as an array and as a file."""
    file = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(file, test_images[0])
    return SimpleNamespace(array=test_images[0], file=file)


def assert_equal_to_the_model(outputs, expected: np.ndarray) -> None:
    assert {name: outputs[name].dtype.name for name in outputs} == {
        "probabilities": "float32",
        "classes": "int64",
    }
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(outputs["classes"], expected.argmax(1))


def strings(contents: Iterable[bytes]) -> np.ndarray:
    return np.array(list(contents), np.object_)


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.getvalue()


# How a client of each signature sends the images.
SENT = {
    "serving_default": lambda images: images,
    "predict_images": lambda images: images.reshape(len(images), -1).astype(np.float32) / 255,
    "predict_bytes": lambda images: strings(map(png, images)),
    "classify": lambda images: strings(image_example(image.tobytes()) for image in images),
    "activations": lambda images: images,
}


@pytest.fixture(scope="module")
def c_api_outputs(exported, images, tmp_path_factory) -> Path:
    """The folder of what the C API gives for each signature."""
    folder = tmp_path_factory.mktemp("c_api")
    for signature, encode in SENT.items():
        np.save(folder / f"{signature}.npy", c_api.marked(encode(images.array)))
    ran(sys.executable, c_api.__file__, exported.saved_model, folder, *SENT, cwd=folder)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("signature", SENT)
def test_the_c_api_gets_the_models_answers(signature, c_api_outputs, expected):
    with np.load(c_api_outputs / f"{signature}.npz") as file:
        outputs = {name: c_api.unmarked(array) for name, array in file.items()}
    if signature == "predict_images":
        assert list(outputs) == ["scores"]
        np.testing.assert_allclose(outputs["scores"], expected, atol=1e-5)
    elif signature == "classify":
        assert sorted(outputs) == ["classes", "scores"]
        np.testing.assert_allclose(outputs["scores"], np.sort(expected)[:, ::-1], atol=1e-5)
        best = [str(number).encode() for number in expected.argmax(1)]
        assert outputs["classes"][:, 0].tolist() == best
        assert sorted(outputs["classes"][0]) == [str(number).encode() for number in range(10)]
    elif signature == "activations":
        odds = np.exp(outputs["07_logits"])
        np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, atol=1e-5)
    else:
        assert_equal_to_the_model(outputs, expected)


@pytest.mark.long
def test_saved_model_cli_runs_it(exported, images, expected, tmp_path):
    ran(
        SAVED_MODEL_CLI,
        *("run", "--dir", exported.saved_model),
        *("--tag_set", "serve", "--signature_def", "serving_default"),
        *("--inputs", f"images={images.file}", "--outdir", "outputs"),
        cwd=tmp_path,
    )
    outputs = {file.stem: np.load(file) for file in (tmp_path / "outputs").iterdir()}
    assert_equal_to_the_model(outputs, expected)


# Plain TensorFlow and plain LiteRT, in a process that has neither digitline nor Keras.
PLAIN = """
import sys
sys.modules["digitline"] = sys.modules["keras"] = sys.modules["tf_keras"] = None
import numpy as np
images = np.load(sys.argv[3])
from ai_edge_litert.interpreter import Interpreter
runner = Interpreter(sys.argv[2]).get_signature_runner("serving_default")
detail = runner.get_input_details()["images"]
assert detail["dtype"] == np.uint8 and list(detail["shape"]) == [1, 28, 28, 1], detail
rows = [runner(images=image[None]) for image in images]
lite = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
np.savez(sys.argv[5], **lite)
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
assert list(signature.structured_input_signature[1]) == ["images"]
outputs = signature(images=tf.constant(images))
np.savez(sys.argv[4], **{name: value.numpy() for name, value in outputs.items()})
"""


def test_plain_runtimes_get_the_models_answers_from_wherever_it_is_moved(
    exported, images, test_images, expected, tmp_path
):
    moved = tmp_path / "moved" / "00000001"
    shutil.copytree(exported.saved_model, moved)
    files = (tmp_path / "outputs.npz", tmp_path / "lite.npz")
    done = python(PLAIN, moved, exported.tflite, images.file, *files, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(files[0]) as outputs:
        assert_equal_to_the_model(outputs, expected)
        assert (outputs["classes"] == test_images[1]).mean() > 0.7
    with np.load(files[1]) as outputs:
        np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-4)
        np.testing.assert_array_equal(outputs["classes"].astype(np.int64), expected.argmax(1))
        assert outputs["classes"].dtype == np.int32
    assert (moved / "assets/labels.txt").read_text().split() == list("0123456789")

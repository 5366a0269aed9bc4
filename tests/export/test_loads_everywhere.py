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

from digitline.base.examples import image_example
from digitline.base.tf import tf
from digitline.models.run import Run

from support import python

C_API = Path(__file__).with_name("c_api.py")
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


@pytest.fixture(scope="module")
def expected(well_trained, images) -> np.ndarray:
    """The trained model's own probabilities."""
    config, model = Run(well_trained.workdir).load()
    return tf.nn.softmax(model(config.preprocess(images.array))).numpy()


def assert_equal_to_the_model(found, expected: np.ndarray) -> None:
    assert {name: found[name].dtype.name for name in found} == {
        "probabilities": "float32",
        "classes": "int64",
    }
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    np.testing.assert_array_equal(found["classes"], expected.argmax(1))


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


@pytest.mark.parametrize("signature", SENT)
def test_the_c_api_gets_the_models_answers(signature, exported, images, expected, tmp_path):
    np.save(tmp_path / "input.npy", SENT[signature](images.array))
    arguments = (exported.saved_model, signature, "input.npy", "outputs.npz")
    ran(sys.executable, C_API, *arguments, cwd=tmp_path)
    with np.load(tmp_path / "outputs.npz", allow_pickle=True) as file:
        found = dict(file)
    if signature == "predict_images":
        assert list(found) == ["scores"]
        np.testing.assert_allclose(found["scores"], expected, atol=1e-5)
    elif signature == "classify":
        assert sorted(found) == ["classes", "scores"]
        np.testing.assert_allclose(found["scores"], np.sort(expected)[:, ::-1], atol=1e-5)
        best = [str(number).encode() for number in expected.argmax(1)]
        assert found["classes"][:, 0].tolist() == best
        assert sorted(found["classes"][0]) == [str(number).encode() for number in range(10)]
    elif signature == "activations":
        odds = np.exp(found["07_logits"])
        np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, atol=1e-5)
    else:
        assert_equal_to_the_model(found, expected)


def test_saved_model_cli_shows_it(exported, tmp_path):
    shown = ran(SAVED_MODEL_CLI, "show", "--dir", exported.saved_model, "--all", cwd=tmp_path)
    text = " ".join(shown.split())
    for part in (
        "MetaGraphDef with tag-set: 'serve'",
        "signature_def['serving_default']",
        "inputs['images'] tensor_info: dtype: DT_UINT8 shape: (-1, 28, 28, 1)",
        "outputs['classes'] tensor_info: dtype: DT_INT64 shape: (-1)",
        "outputs['probabilities'] tensor_info: dtype: DT_FLOAT shape: (-1, 10)",
        "Method name is: tensorflow/serving/predict",
        "signature_def['classify']",
        "Method name is: tensorflow/serving/classify",
    ):
        assert part in text


def test_saved_model_cli_runs_it(exported, images, expected, tmp_path):
    ran(
        SAVED_MODEL_CLI,
        *("run", "--dir", exported.saved_model),
        *("--tag_set", "serve", "--signature_def", "serving_default"),
        *("--inputs", f"images={images.file}", "--outdir", "outputs"),
        cwd=tmp_path,
    )
    found = {file.stem: np.load(file) for file in (tmp_path / "outputs").iterdir()}
    assert_equal_to_the_model(found, expected)


# tf.saved_model.load in a process that has neither digitline nor Keras.
WITHOUT_KERAS = """
import sys
sys.modules["digitline"] = sys.modules["keras"] = sys.modules["tf_keras"] = None
import numpy as np
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
outputs = signature(images=tf.constant(np.load(sys.argv[2])))
np.savez(sys.argv[3], **{name: value.numpy() for name, value in outputs.items()})
"""


def test_it_loads_without_keras_from_wherever_it_is_moved(exported, images, expected, tmp_path):
    moved = tmp_path / "moved" / "00000001"
    shutil.copytree(exported.saved_model, moved)
    done = python(WITHOUT_KERAS, moved, images.file, tmp_path / "outputs.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "outputs.npz") as found:
        assert_equal_to_the_model(found, expected)
    assert (moved / "assets/labels.txt").read_text().split() == list("0123456789")

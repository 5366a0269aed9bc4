import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from digitline.base.errors import UserError, VerificationError
from digitline.base.pictures.config import PictureConfig
from digitline.base.tf import keras, tf
from digitline.data.pipeline.preprocess import Preprocess
from digitline.export import functions
from digitline.export.formats import onnx
from digitline.models import registry

from support import export, python

installed = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime", "tf2onnx")),
    reason="needs: pip install 'digitline[onnx]'",
)


@pytest.fixture(scope="module")
def result(well_trained, tmp_path_factory):
    return export(well_trained, tmp_path_factory.mktemp("exports"), "--formats=onnx")


@pytest.fixture(scope="module")
def file(result):
    return Path(result["artifacts"]["onnx"])


# ONNX Runtime alone, without digitline and without TensorFlow.
RUN = """
import sys
sys.modules["digitline"] = sys.modules["tensorflow"] = None
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(images,) = session.get_inputs()
assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["N", 28, 28, 1])
shapes = {each.name: (each.type, each.shape) for each in session.get_outputs()}
assert list(shapes.items()) == [
    ("probabilities", ("tensor(float)", ["N", 10])), ("classes", ("tensor(int64)", ["N"]))
]
assert session.get_modelmeta().custom_metadata_map["labels"].split() == list("0123456789")
pixels = np.load(sys.argv[2])
for count in (1, 7, len(pixels)):
    probabilities, classes = session.run(None, {"images": pixels[:count]})
    assert len(probabilities) == len(classes) == count
np.savez(sys.argv[3], probabilities=probabilities, classes=classes)
"""


@installed
def test_onnx_runtime_without_tensorflow_gets_the_models_answers(
    file, expected, test_images, tmp_path
):
    images, labels = test_images
    np.save(tmp_path / "images.npy", images)
    done = python(RUN, file, tmp_path / "images.npy", tmp_path / "found.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = np.load(tmp_path / "found.npz")
    assert (outputs["probabilities"].dtype, outputs["classes"].dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-4)
    np.testing.assert_array_equal(outputs["classes"], expected.argmax(axis=1))
    assert (outputs["classes"] == labels).mean() > 0.7


@installed
def test_the_folder_holds_the_file_its_labels_and_its_manifest(file):
    assert [*file.parts[-4:]] == ["onnx", "lenet5", "1", "model.onnx"]
    names = sorted(path.name for path in file.parent.iterdir())
    assert names == ["labels.txt", "manifest.json", "model.onnx", "pictures.json"]
    manifest = json.loads((file.parent / "manifest.json").read_text())
    (artifact,) = manifest["artifacts"]
    assert artifact["signatures"]["serving_default"]["inputs"] == {
        "images": {"dtype": "uint8", "shape": [None, 28, 28, 1]}
    }
    (row,) = manifest["verified_on"]["comparisons"]
    assert (row["artifact"], row["examples"], row["agrees"]) == ("ONNX", 60, True)
    assert (file.parent / "labels.txt").read_text().split() == list("0123456789")


@installed
def test_the_files_own_checker_passes_it(file):
    import onnx as package

    package.checker.check_model(package.load(str(file)), full_check=True)


@installed
def test_the_same_model_gives_the_same_bytes(file, well_trained, tmp_path):
    # After another conversion in the same process, and beside another format.
    result = export(well_trained, tmp_path, "--formats=onnx,tflite")
    assert Path(result["artifacts"]["onnx"]).read_bytes() == file.read_bytes()
    assert result["version"] == 1
    assert Path(result["artifacts"]["tflite"]).parts[-4] == "tflite"


@installed
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name == "efficientnet_lite0" else ())
        for name in registry.NAMES
    ],
)
def test_every_network_converts(name, tmp_path):
    network = registry.get(name)
    preprocess = registry.preprocess(network, (28, 28, 1), network.RECIPES["best"])
    model = network.build(preprocess.output_shape, 10)
    trained = functions.TrainedModel(
        model, preprocess, tuple("0123456789"), PictureConfig(preprocess.image_shape)
    )
    onnx.write(trained, tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
    outputs = onnx.open_file(tmp_path / "model.onnx").run("serving_default", images)
    expected = functions.serving_default(trained)(tf.constant(images))["probabilities"]
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


@installed
@pytest.mark.parametrize("resizing", ["average", "resize"])
def test_resized_coloured_images(resizing, tmp_path):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    preprocess = Preprocess((12, 10, 3), 8, 8, resizing, 0.5, 0.25)
    trained = functions.TrainedModel(
        model, preprocess, ("a", "b", "c"), PictureConfig(preprocess.image_shape)
    )
    onnx.write(trained, tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 10, 3), np.uint8)
    outputs = onnx.open_file(tmp_path / "model.onnx").run("serving_default", images)
    expected = functions.serving_default(trained)(tf.constant(images))["probabilities"]
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


@installed
def test_the_gate_refuses_a_file_without_the_weights(well_trained, tmp_path, monkeypatch):
    real = onnx._convert

    def convert(trained):
        model = keras.models.clone_model(trained.model)
        model.set_weights([np.zeros_like(value) for value in model.get_weights()])
        return real(dataclasses.replace(trained, model=model))

    monkeypatch.setattr(onnx, "_convert", convert)
    with pytest.raises(VerificationError, match=r"^ONNX, serving_default: disagrees with the"):
        export(well_trained, tmp_path, "--formats=onnx")
    assert not (tmp_path / "onnx").exists()


@installed
def test_rejects_a_file_that_is_not_onnx(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"model\.onnx: not an ONNX file that loads: "):
        onnx.open_file(tmp_path / "model.onnx")


def test_without_the_packages_nothing_is_written(well_trained, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    with pytest.raises(UserError, match=r"needs .*tf2onnx: pip install 'digitline\[onnx\]'"):
        export(well_trained, tmp_path / "exports", "--formats=saved_model,onnx")
    assert not (tmp_path / "exports").exists()

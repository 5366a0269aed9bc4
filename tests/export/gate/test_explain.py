"""A fault in one layer is named by that layer; a sound file's layers are shown."""

import importlib
import re
import shutil

import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.export import options
from digitline.export.formats import onnx, tflite
from digitline.export.gate.explain import explain
from digitline.export.gate.explanation import Explanation, LayerDifference
from digitline.export.gate.gate import start
from digitline.serving.artifacts import interpreter

LAYERS = ["preprocessing", "c1", "s2", "c3", "s4", "c5", "f6", "logits"]
# Of the kernels in a TFLite file.
SHAPES = {"c1": (6, 5, 5, 1), "c3": (16, 5, 5, 6), "f6": (84, 120), "logits": (10, 84)}


def artifact_of(variant):
    (artifact,) = tflite.artifacts(options.ExportOptions(tflite_variants=(variant,)))
    return artifact


def one_weight(kernel):
    kernel = kernel.copy()
    kernel.flat[np.abs(kernel).argmax()] *= -20
    return kernel


def zero(kernel):
    return np.zeros_like(kernel)


def negated(kernel):
    return -kernel


def plant(path, layer, change):
    """Changes a layer's weights in the bytes of a TFLite file."""
    content, opened = path.read_bytes(), interpreter(path)
    (kernel,) = [
        opened.get_tensor(detail["index"])
        for detail in opened.get_tensor_details()
        if tuple(detail["shape"]) == SHAPES[layer] and detail["dtype"] != np.float16
    ]
    assert content.count(kernel.tobytes()) == 1
    path.write_bytes(content.replace(kernel.tobytes(), change(kernel).tobytes()))


@pytest.mark.parametrize(
    ("variant", "layer", "change"),
    [
        ("float32", "c1", zero),
        ("float32", "c3", one_weight),
        ("float32", "logits", negated),
        ("dynamic_int8", "f6", negated),
        ("int8", "c1", negated),
        ("int8", "c3", zero),
        ("int8", "f6", negated),
    ],
)
def test_a_refusal_names_the_layer(variant, layer, change, exported, reference, tmp_path):
    folder, artifact = tmp_path / "tflite", artifact_of(variant)
    shutil.copytree(exported.tflite.parent, folder, ignore=shutil.ignore_patterns("manifest.json"))
    plant(folder / artifact.path, layer, change)
    with pytest.raises(VerificationError, match="disagrees with the trained model") as caught:
        start(artifact, options.ExportOptions(), folder, reference)()
    message = str(caught.value)
    than = "" if variant == "float32" else " by more than rounding does"
    assert re.search(
        rf"; the first layer that differs{than} is {layer}: off by up to \d.* on number \d+ of the "
        r"(images|blends of images), a channel by \d.* % of its output, root mean square; ",
        message,
    )
    most = re.search(r"; the layers that lose most are (.*); nothing was published", message)
    assert bool(most) == (variant != "float32")
    if most:
        assert len(most[1].split(", ")) == 5
    rows = caught.value.details["layers"]["layers"]
    assert [row["layer"] for row in rows] == LAYERS


def test_a_refusal_of_an_onnx_file_names_the_layer(reference, trained_model, tmp_path):
    package = pytest.importorskip("onnx")
    numbers = importlib.import_module("onnx.numpy_helper")
    pytest.importorskip("tf2onnx")
    folder = tmp_path / "onnx"
    folder.mkdir()
    onnx.write(trained_model, folder)
    path = folder / onnx.ARTIFACT.path
    sound = explain(onnx.ARTIFACT, path, trained_model, reference.split)
    assert [row.layer for row in sound.layers] == LAYERS
    assert max(row.relative for row in sound.layers) < 1e-5
    model = package.load(str(path))
    (kernel,) = [each for each in model.graph.initializer if list(each.dims) == [16, 6, 5, 5]]
    kernel.CopyFrom(numbers.from_array(one_weight(numbers.to_array(kernel)), kernel.name))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(VerificationError, match=r"; the first layer that differs is c3: off by"):
        start(onnx.ARTIFACT, options.ExportOptions(), folder, reference)()


@pytest.mark.parametrize(
    ("variant", "most"),
    [("float32", 1e-5), ("float16", 0.006), ("dynamic_int8", 0.07), ("int8", 0.1)],
)
def test_layers_of_a_sound_file(variant, most, exported, reference, trained_model):
    artifact = artifact_of(variant)
    path = exported.tflite.with_name(artifact.path)
    explanation = explain(artifact, path, trained_model, reference.split)
    assert [row.layer for row in explanation.layers] == LAYERS
    assert all(row.relative < most for row in explanation.layers)
    assert explanation.sentence.startswith("no layer up to logits differs")
    title, headers, _, *lines = str(explanation).splitlines()
    assert title.endswith("each layer beside the trained model's, on 16 images:")
    assert [line.split()[0] for line in lines] == LAYERS
    ranks = [line.split()[4] for line in lines if len(line.split()) > 4]
    assert sorted(ranks) == (list("12345") if variant != "float32" else [])
    assert ("loses most" in headers) == (variant != "float32")


def test_export_explain_takes_every_input(for_devices):
    """Integers, and MediaPipe's three channels."""
    files = {file["artifact"]: file for file in for_devices.result["layers"]}
    assert list(files) == ["TFLite int8", "TFLite mediapipe"]
    for file in files.values():
        assert [row["layer"] for row in file["layers"]] == LAYERS
        assert all(row["relative"] <= file["limit"] for row in file["layers"])


def test_layers_are_only_compared_when_asked_for(exported):
    assert exported.result["layers"] == []


def test_a_file_that_does_not_run_keeps_its_refusal(reference, trained_model, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"nothing")
    artifact = artifact_of("float32")
    explanation = explain(artifact, tmp_path / "model.tflite", trained_model, reference.split)
    assert re.match(r"its layers cannot be compared: .*not a TFLite file", explanation.sentence)
    assert str(explanation).startswith("TFLite float32: its layers cannot be compared: ")


def test_what_lies_before_the_first_layer_is_named_where_the_file_does_not_give_it():
    rows = (
        LayerDifference("preprocessing"),
        LayerDifference("conv", 0.5, 3, 0.2),
        LayerDifference("logits", 1.5, 4, 0.3),
    )
    explanation = Explanation("TFLite float32", "awkward images", 9, False, 1e-5, rows)
    assert explanation.sentence == (
        "the first layer that differs is conv, or preprocessing before it: off by up to 0.5 on "
        "number 3 of the awkward images, a channel by 20 % of its output, root mean square"
    )
    assert " no such tensor\n" in str(explanation)

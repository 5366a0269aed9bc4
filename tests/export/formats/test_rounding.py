"""What int8 makes of even areas, and of pixels that no image of the calibration has."""

import random

import numpy as np
import pytest

from digitline.base.pictures.config import PictureConfig
from digitline.base.tf import keras
from digitline.data.pipeline.preprocess import Preprocess
from digitline.export import functions, options
from digitline.export.formats import tflite
from digitline.serving import artifacts

SHAPE = (8, 8, 3)


@pytest.fixture(autouse=True)
def same_weights():
    random.seed(0)  # From which Keras draws the seeds of weights.


def _file(folder, layer, variant, calibration=None):
    """A network of one layer, as a TFLite file."""
    pooling = keras.layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input(SHAPE), layer, pooling])
    trained = functions.TrainedModel(
        model,
        Preprocess(SHAPE, 8, 8, "none", 0.5, 0.25),
        tuple("abcdef"[: model.output_shape[1]]),
        PictureConfig(SHAPE),
    )
    tflite.write(trained, folder, options.ExportOptions(tflite_variants=(variant,)), calibration)
    return folder / options.VARIANTS[variant].file


@pytest.mark.parametrize("kind", ["depthwise", "full"])
def test_an_even_area_is_answered_as_by_the_model(kind, tmp_path):
    layer = {
        "depthwise": keras.layers.DepthwiseConv2D(7, depth_multiplier=2),
        "full": keras.layers.Conv2D(6, 7),
    }[kind]
    exact = _scores(_file(tmp_path, layer, "float32"))
    kept = _scores(_file(tmp_path, layer, "dynamic_int8", _even()))
    kernel = layer.kernel.numpy()
    axes = (0, 1) if kind == "depthwise" else (0, 1, 2)
    steps = np.abs(kernel).max(axis=axes) / 127
    layer.kernel.assign(np.rint(kernel / steps) * steps)
    nearest = _scores(_file(tmp_path, layer, "float32"))
    assert np.square(kept - exact).mean() < np.square(nearest - exact).mean() / 4


def test_what_weighs_many_usual_inputs_is_answered_as_by_the_model(tmp_path):
    """A layer of kernels of one weight, whose inputs are never negative, as after ReLU."""
    images = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
    layers = keras.Sequential(
        [keras.layers.Conv2D(96, 3, activation="relu"), keras.layers.Conv2D(6, 1)]
    )
    exact = _scores(_file(tmp_path, layers, "float32"), images)
    kept = _scores(_file(tmp_path, layers, "dynamic_int8", images), images)
    for layer in layers.layers:
        kernel = layer.kernel.numpy()
        steps = np.abs(kernel).max(axis=(0, 1, 2)) / 127
        layer.kernel.assign(np.rint(kernel / steps) * steps)
    nearest = _scores(_file(tmp_path, layers, "float32"), images)
    assert np.square(kept - exact).mean() < np.square(nearest - exact).mean() / 2


def _even():
    return np.repeat(np.arange(0, 256, 15, np.uint8), np.prod(SHAPE)).reshape(-1, *SHAPE)


def _scores(path, images=None):
    """By a file, of even images if none are given: logarithms of probabilities, less their mean."""
    images = _even() if images is None else images
    scores = np.log(artifacts.open_tflite(path, verify=False).run(images)["probabilities"])
    return scores - scores.mean(axis=1, keepdims=True)


def test_pixels_keep_their_steps_where_the_calibration_has_few_of_them(tmp_path):
    grey = np.random.default_rng(0).integers(90, 100, (20, *SHAPE), np.uint8)
    path = _file(tmp_path, keras.layers.Conv2D(6, 3, padding="same"), "int8", grey)
    details = artifacts.interpreter(path.read_bytes()).get_tensor_details()
    steps = [each["quantization"][0] for each in details]
    assert 1 in steps
    assert pytest.approx(1 / 255 / 0.25) in steps  # Normalized.


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Flatten, lambda: keras.layers.Dense(16)],
        [lambda: keras.layers.Conv2D(6, 1), lambda: keras.layers.Conv2D(6, 1, groups=3)],
    ],
    ids=["dense after an image", "groups"],
)
def test_layers_of_any_inputs_are_rounded(layers, tmp_path):
    images = _even()
    stack = keras.Sequential([make() for make in layers])
    if stack(np.zeros((1, *SHAPE), np.float32)).ndim == 2:
        stack.add(keras.layers.Reshape((4, 4, 1)))
        stack.add(keras.layers.Conv2D(6, 3))
    exact = _scores(_file(tmp_path, stack, "float32"))
    for variant in ("dynamic_int8", "int8"):
        assert np.abs(_scores(_file(tmp_path, stack, variant, images)) - exact).max() < 0.2

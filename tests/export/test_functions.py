"""What each signature does with what clients send."""

import io
import re

import numpy as np
import PIL.Image
import pytest

from digitline.base.pictures.config import PictureConfig
from digitline.base.tf import keras, tf
from digitline.base.tfrecord import image_example
from digitline.export import functions
from digitline.models import registry


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported.saved_model))


def test_one_bad_picture_fails_only_its_request(loaded, test_images):
    signature = loaded.signatures["predict_bytes"]
    good = encoded(PIL.Image.fromarray(test_images[0][0, ..., 0]), "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError):
        signature(image_bytes=tf.constant([good, b"no picture"]))
    assert signature(image_bytes=tf.constant([good]))["classes"].shape == (1,)


@pytest.mark.parametrize("name", ["softmax", "cnn", "sharp", "tiny", "swift"])
def test_activations_are_the_outputs_of_the_layers(name, test_images):
    network = registry.get(name)
    recipe = network.RECIPES["best"]
    preprocess = registry.preprocess(network, (28, 28, 1), recipe)
    model = network.build(preprocess.output_shape, 10)
    trained = functions.TrainedModel(
        model, preprocess, tuple("0123456789"), PictureConfig(preprocess.image_shape)
    )
    images = test_images[0][:5]
    outputs = functions.activations(trained)(tf.constant(images))
    names = sorted(outputs)
    logits = model(preprocess(images), training=False).numpy()
    np.testing.assert_allclose(outputs[names[-1]], logits, atol=1e-5)
    kinds = (keras.layers.Conv2D, keras.layers.SeparableConv2D, keras.layers.Dense)
    own = [layer for layer in model.layers if isinstance(layer, kinds)]
    said = [each for each in names if re.search("conv|dense|logits|hidden", each)]
    assert len(said) == len(own)
    if name != "swift":  # Its layers are pooled before they are normalized.
        for each in said[:-1]:  # After normalization and ReLU.
            assert outputs[each].numpy().min() >= 0


def test_names_of_layers_do_not_depend_on_what_was_made_before():
    network = registry.get("tiny")
    preprocess = registry.preprocess(network, (28, 28, 1), network.RECIPES["best"])
    names = []
    for _ in range(2):
        model = network.build(preprocess.output_shape, 10)
        trained = functions.TrainedModel(
            model, preprocess, tuple("0123456789"), PictureConfig(preprocess.image_shape)
        )
        names.append(sorted(functions.activations(trained)(tf.zeros([1, 28, 28, 1], tf.uint8))))
    assert names[0] == names[1]
    assert names[0][0] == "01_conv2d_1"


def test_all_signatures_agree(loaded, expected, test_images):
    images, expected = test_images[0][:40], expected[:40]
    files = [encoded(PIL.Image.fromarray(image[..., 0]), "PNG") for image in images]
    records = [image_example(image.tobytes()) for image in images]
    call = loaded.signatures
    outputs = call["serving_default"](images=tf.constant(images))["probabilities"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    outputs = call["predict_bytes"](image_bytes=tf.constant(files))["probabilities"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    floats = images.reshape(40, 784).astype(np.float32) / 255
    outputs = call["predict_images"](images=tf.constant(floats))["scores"]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    outputs = call["classify"](inputs=tf.constant(records))
    np.testing.assert_allclose(outputs["scores"], -np.sort(-expected, 1), atol=1e-5)
    assert outputs["classes"].numpy()[:, 0].tolist() == [
        str(number).encode() for number in expected.argmax(1)
    ]
    for number in range(0, 40, 2):  # Picture files are fine too.
        records[number] = image_example(files[number])
    again = call["classify"](inputs=tf.constant(records))
    np.testing.assert_array_equal(again["classes"], outputs["classes"])


def test_rejects_an_example_of_another_size(loaded):
    record = image_example(b"\0" * 2 * 784)
    with pytest.raises(tf.errors.InvalidArgumentError):
        loaded.signatures["classify"](inputs=tf.constant([record]))

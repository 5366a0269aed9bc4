import zipfile

import numpy as np
import pytest
from PIL import Image

from digitline.data.sources import pypi
from digitline.models import efficientnet_lite0, mlp, registry
from digitline.models.pretrained import transfer

from support import TESTDATA

# Classes of ImageNet, as tests/testdata/photographs/README.md lists them.
CLASSES = {"cat": 285, "espresso": 967, "rocket": 657, "tripod": 872}
MOPED = 665


@pytest.fixture(scope="module")
def colour(weights):
    """The network with ImageNet's classes, for images in colour."""
    model = efficientnet_lite0.build((224, 224, 3), 1000)
    transfer.put(model, weights)
    return model


def image(path, mode="RGB"):
    return np.asarray(Image.open(path).convert(mode).resize((224, 224))).reshape(224, 224, -1)


def logits(model, images):
    recipe = efficientnet_lite0.RECIPES["best"]
    preprocess = registry.preprocess(efficientnet_lite0, images.shape[1:], recipe)
    return model(preprocess(images)).numpy()


def photographs(mode):
    return np.stack([image(TESTDATA / "photographs" / f"{name}.jpg", mode) for name in CLASSES])


def test_pictures_get_their_classes_in_imagenet(colour):
    assert logits(colour, photographs("RGB")).argmax(1).tolist() == list(CLASSES.values())


@pytest.mark.long
def test_a_moped_too(colour, tmp_path):
    """Of a picture whose licence is not stated, so that it is not in this repository."""
    with zipfile.ZipFile(pypi.download("scikit-image", tmp_path)) as wheel:
        moped = image(wheel.open("skimage/data/motorcycle_left.png"))
    assert logits(colour, moped[None]).argmax() == MOPED


def test_grey_pictures_are_seen_as_three_equal_channels(colour, weights):
    grey = efficientnet_lite0.build((224, 224, 1), 1000)
    transfer.put(grey, weights)
    images = photographs("L")
    expected = logits(colour, images.repeat(3, 3))
    np.testing.assert_allclose(logits(grey, images), expected, atol=1e-3)


def test_other_classes_leave_the_classifier_as_it_is(weights, colour):
    model = efficientnet_lite0.build((224, 224, 3), 7)
    before = model.get_layer("logits").get_weights()
    transfer.put(model, weights)
    for one, other in zip(before, model.get_layer("logits").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(model.weights[:-2], colour.weights[:-2], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_bn0.bias": None}, r"Expected a tensor _bn0\.bias\."),
        (
            {"_more.weight": np.ones(3)},
            r"every tensor to be used\. Received: 1 others, _more\.weight",
        ),
        ({"_conv_head.weight": np.ones((1280, 320, 3, 3))}, r"_conv_head\.weight to be \[1, 1,"),
        ({"_conv_stem.weight": np.ones((32, 1, 3, 3))}, r"_conv_stem\.weight to be \[3, 3, 3, 32"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(weights, colour, change, message):
    changed = {name: value for name, value in ({**weights, **change}).items() if value is not None}
    before = [weight.numpy() for weight in colour.weights]
    with pytest.raises(ValueError, match=message):
        transfer.put(colour, changed)
    for one, other in zip(before, colour.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rejects_another_network(weights):
    with pytest.raises(ValueError, match="Expected the layers of efficientnet_lite0"):
        transfer.put(mlp.build((28, 28, 1), 10), weights)

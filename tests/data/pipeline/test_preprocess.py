import json

import numpy as np
import pytest

from digitline.base import configs
from digitline.base.errors import DataError
from digitline.base.tf import tf
from digitline.data.pipeline.preprocess import Preprocess

SHAPE = (28, 28, 1)


def test_pad_and_normalize_against_numpy(test_images):
    images = test_images[0][:5]
    preprocess = Preprocess(SHAPE, 32, 32, "pad", mean=0.1307, std=0.3081)
    expected = np.pad(images.astype(np.float64), [(0, 0), (2, 2), (2, 2), (0, 0)])
    expected = (expected / 255 - 0.1307) / 0.3081
    result = preprocess(images)
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_odd_margins_and_colour():
    preprocess = Preprocess((3, 4, 3), 6, 7, "pad")
    result = preprocess(np.full((2, 3, 4, 3), 255, np.uint8)).numpy()
    assert result.shape == (2, 6, 7, 3)
    np.testing.assert_array_equal(result[:, 1:4, 1:5], 1)
    assert result.sum() == 2 * 3 * 4 * 3


@pytest.mark.parametrize("resizing", ["resize", "average"])
def test_resizing_keeps_what_is_even(resizing):
    preprocess = Preprocess((2, 9, 3), 4, 4, resizing)
    result = preprocess(np.full((1, 2, 9, 3), 51, np.uint8)).numpy()
    np.testing.assert_allclose(result, 0.2, atol=1e-6)
    assert result.shape == (1, 4, 4, 3)


def test_runs_that_were_resized_see_what_they_saw():
    images = np.random.default_rng(0).integers(0, 256, (3, 50, 37, 1), np.uint8)
    expected = tf.image.resize(images, (28, 28)) * (1.0 / (255.0 * 0.25)) - 0.5 / 0.25
    preprocess = Preprocess((50, 37, 1), 28, 28, "resize", 0.5, 0.25)
    np.testing.assert_array_equal(preprocess(images), expected)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_half_is_the_average_of_two_by_two(kind):
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 128, 3)).astype(kind)
    expected = images.reshape(3, 32, 2, 32, 4, 3).mean(axis=(2, 4)) / 255
    preprocess = Preprocess.to_size((64, 128, 3), 32, 32, 0.0, 1.0)
    np.testing.assert_allclose(preprocess(images), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(9, 7), (8, 3), (13, 4)])
def test_every_pixel_counts_and_stays_where_it_is(size):
    count = size[0] * size[1]
    points = (255 * np.eye(count)).reshape(count, *size, 1)  # One bright pixel in each image.
    result = Preprocess.to_size((*size, 1), 4, 4, 0.0, 1.0)(points.astype(np.uint8)).numpy()
    shares = result.sum(axis=(1, 2, 3)) * count / 16
    assert shares.min() > 0.7
    assert shares.max() < 1.4
    np.testing.assert_allclose(shares.mean(), 1, atol=1e-5)
    np.testing.assert_allclose(result, result[::-1, ::-1, ::-1], atol=1e-6)


def test_floats_and_bytes_agree(test_images):
    preprocess = Preprocess(SHAPE, 32, 32, "pad", 0.1, 0.3)
    images = test_images[0][:3]
    np.testing.assert_array_equal(preprocess(images), preprocess(images.astype(np.float32)))


def test_configuration_survives_json():
    preprocess = Preprocess(SHAPE, 32, 32, "pad", 0.1307, 0.3081)
    config = json.loads(json.dumps(configs.to_config(preprocess)))
    assert configs.from_config(Preprocess, config) == preprocess
    with pytest.raises(DataError, match="Expected resizing to be one of"):
        configs.from_config(Preprocess, {**config, "resizing": "stretch"})
    with pytest.raises(DataError, match="lacks 'image_shape'"):
        configs.from_config(Preprocess, {"resizing": "pad"})


@pytest.mark.parametrize("wrong", [{"resizing": "none"}, {"height": 20}, {"std": 0.0}])
def test_rejects_what_cannot_work(wrong):
    with pytest.raises(ValueError, match=r"Expected .* Received"):
        Preprocess(**{"image_shape": SHAPE, "height": 32, "width": 32, "resizing": "pad", **wrong})


def test_crop_cuts_all_sides():
    images = np.arange(2 * 7 * 9, dtype=np.uint8).reshape(2, 7, 9, 1)
    found = Preprocess.as_is((7, 9, 1), 0.0, 1.0, crop=2)
    assert found.output_shape == (3, 5, 1)
    np.testing.assert_allclose(found(images), images[:, 2:5, 2:7] / 255, atol=1e-6)
    assert configs.from_config(Preprocess, configs.to_config(found)) == found
    uneven = Preprocess((7, 9, 1), 4, 5, "crop")
    np.testing.assert_allclose(uneven(images), images[:, 1:5, 2:7] / 255, atol=1e-6)
    with pytest.raises(ValueError, match="leads from 7x9 to 9x9"):
        Preprocess((7, 9, 1), 9, 9, "crop")

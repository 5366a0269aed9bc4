import json

import numpy as np
import PIL.Image
import pytest

from digitline.export.publication import samples


def images_of(labels, shape=(28, 28, 1)):
    """Images that tell their place: the first pixel is it."""
    images = np.full((len(labels), *shape), 9, np.uint8)
    images[:, 0, 0] = np.arange(len(labels))[:, None]
    return images


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_of_each_class_in_rows(channels, tmp_path):
    labels = np.array([2, 0, 2, 2, 0])
    images = images_of(labels, (4, 5, channels))
    samples.write(images, labels, 3, 2, "test", tmp_path)
    assert json.loads((tmp_path / "samples.json").read_text()) == {
        "split": "test",
        "image_shape": [4, 5, channels],
        "columns": 2,
        "counts": [2, 0, 2],
    }
    sheet = np.asarray(PIL.Image.open(tmp_path / "samples.png")).reshape(3, 4, 2, 5, channels)
    for row, places in ((0, (1, 4)), (2, (0, 2))):
        for column, place in enumerate(places):
            np.testing.assert_array_equal(sheet[row, :, column], images[place])
    assert not sheet[1].any()


def test_many_classes_of_large_images_have_fewer(tmp_path):
    labels = np.repeat(np.arange(20), 6)
    images = np.broadcast_to(np.uint8(0), (120, 2000, 2000, 1))
    samples.write(images, labels, 20, 10, "test", tmp_path)
    assert list(tmp_path.iterdir()) == []
    samples.write(images[:, :224, :224], labels, 20, 10, "test", tmp_path)
    assert json.loads((tmp_path / "samples.json").read_text())["counts"] == [3] * 20


def test_writes_nothing_if_no_samples_are_wanted(tmp_path):
    labels = np.arange(10)
    samples.write(images_of(labels), labels, 10, 0, "test", tmp_path)
    assert list(tmp_path.iterdir()) == []

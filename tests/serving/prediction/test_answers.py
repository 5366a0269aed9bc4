import numpy as np
import PIL.Image
import pytest

from digitline.base.pictures import decode
from digitline.base.pictures.config import PictureConfig
from digitline.data.sources import idx
from digitline.serving.prediction.answers import Answer, answer, seen_in
from digitline.serving.prediction.inks import are_several

DIGITS = PictureConfig((28, 28, 1), digits=True)


@pytest.fixture(scope="module")
def train_images(testdata):
    return idx.read_images(testdata / "train-images-idx3-ubyte.gz")[..., None]


def test_no_single_digit_counts_as_several(train_images):
    assert [index for index, image in enumerate(train_images[:1000]) if are_several(image)] == []


@pytest.mark.parametrize("count", [2, 3, 4])
def test_digits_beside_each_other_count_as_several(train_images, count):
    found = []
    for start in range(0, 60, count):
        row = np.concatenate(
            [image[2:-2, 2:-2, 0] for image in train_images[start:][:count]], axis=1
        )
        paper = PIL.Image.fromarray(255 - np.pad(row, 6))
        sheet = paper.resize((4 * paper.width, 4 * paper.height))
        found.append(are_several(decode.find_digit(sheet, 28, 28)[..., None]))
    assert np.mean(found) > 0.8


def test_what_is_answered(train_images):
    blank, noisy = np.full((28, 28, 1), 255, np.uint8), np.full((28, 28, 1), 250, np.uint8)
    noisy[3, 4] = 255
    assert seen_in(blank, DIGITS) is seen_in(noisy, DIGITS) is Answer.BLANK
    assert seen_in(train_images[0], DIGITS) is Answer.CLASS
    two = np.zeros((28, 28, 1), np.uint8)
    two[5:22, 6:9] = two[5:20, 14:18] = 255
    assert seen_in(two, DIGITS) is Answer.SEVERAL
    assert seen_in(two, PictureConfig((28, 28, 1))) is Answer.CLASS  # It may be anything.
    assert answer(Answer.CLASS, 0.7, 0.8) is Answer.NOT_SURE
    assert answer(Answer.CLASS, 0.8, 0.8) is answer(Answer.CLASS, 0.1, None) is Answer.CLASS
    assert answer(Answer.SEVERAL, 0.1, 0.8) is Answer.SEVERAL

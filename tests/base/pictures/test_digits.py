import re

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError
from digitline.base.pictures import decode
from digitline.base.pictures.config import PictureConfig

SHAPE = (28, 28, 1)
DIGITS = PictureConfig(SHAPE, digits=True)


@pytest.fixture
def digit(test_images):
    return test_images[0][0, :, :, 0]


def load(image, path, config=DIGITS, **options):
    image.save(path, **options)
    return decode.load(path, config)


def test_a_picture_of_the_models_size_is_taken_pixel_by_pixel(test_images, tmp_path):
    for pixels in test_images[0][:50, :, :, 0]:
        found = load(PIL.Image.fromarray(pixels), tmp_path / "a.png")
        np.testing.assert_array_equal(found[:, :, 0], pixels)


def test_dark_on_light_is_inverted(digit, tmp_path):
    found = load(PIL.Image.fromarray(255 - digit), tmp_path / "a.png")
    np.testing.assert_array_equal(found[:, :, 0], digit)


def test_grey_paper_counts_as_light(digit, tmp_path):
    paper = (110 - digit.astype(np.float32) * 0.4).astype(np.uint8)  # Ink 8, paper 110.
    found = load(PIL.Image.fromarray(paper), tmp_path / "a.png")
    assert np.corrcoef(found.ravel(), digit.ravel())[0, 1] > 0.99


def test_every_way_to_store_the_same_digit(digit, tmp_path):
    grey = PIL.Image.fromarray(digit)
    ink = PIL.Image.new("RGBA", grey.size, "black")
    ink.putalpha(grey)
    light = PIL.Image.new("RGBA", grey.size, "white")
    light.putalpha(grey)
    deep = PIL.Image.fromarray(digit.astype(np.uint16) * 257)
    for name, image in {
        "rgb.png": grey.convert("RGB"),
        "palette.png": grey.convert("P"),
        "dark-ink-on-nothing.png": ink,
        "light-ink-on-nothing.png": light,
        "16-bit.png": deep,
        "grey.bmp": grey,
    }.items():
        found = load(image, tmp_path / name)[:, :, 0]
        np.testing.assert_allclose(found, digit, atol=1, err_msg=name)
    jpeg = load(grey.convert("RGB"), tmp_path / "a.jpg", quality=95)[:, :, 0]
    assert np.corrcoef(jpeg.ravel(), digit.ravel())[0, 1] > 0.99


def test_a_digit_anywhere_in_a_large_picture_is_centred_as_mnist_was(digit, tmp_path):
    sheet = np.full((300, 500), 255, np.uint8)
    sheet[150:290, 20:160] = 255 - np.kron(digit, np.ones((5, 5), np.uint8))
    found = load(PIL.Image.fromarray(sheet), tmp_path / "a.png")[:, :, 0]
    assert np.corrcoef(found.ravel(), digit.ravel())[0, 1] > 0.8
    rows, columns = np.nonzero(found)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    mass = found / found.sum()
    assert abs((mass.sum(1) * np.arange(28)).sum() - 14) <= 0.6
    assert abs((mass.sum(0) * np.arange(28)).sum() - 14) <= 0.6


def test_mnist_enlarged_comes_back_as_mnist(test_images):
    alike, same = [], []
    for pixels in test_images[0][:30, :, :, 0]:
        large = PIL.Image.fromarray(pixels).resize((200, 200), PIL.Image.Resampling.BICUBIC)
        found = decode.find_digit(large, 28, 28)
        inverted = decode.find_digit(large.point(lambda level: 255 - level), 28, 28)
        same.append(np.corrcoef(found.ravel(), inverted.ravel())[0, 1])
        alike.append(np.corrcoef(found.ravel(), pixels.ravel())[0, 1])
    # A box that is a pixel off, once in a while, is far less alike and read as well.
    assert np.percentile(same, 20) > 0.99
    assert np.median(alike) > 0.94
    assert np.percentile(alike, 10) > 0.75


def photograph(pixels, generator, noise):
    """A digit on a sheet of grey paper, unevenly lit, with a camera's noise."""
    height, width, side = 300, 420, 224
    large = PIL.Image.fromarray(pixels).resize((side, side), PIL.Image.Resampling.BICUBIC)
    ink = np.zeros((height, width))
    top, left = generator.integers(height - side), generator.integers(width - side)
    ink[top : top + side, left : left + side] = np.asarray(large) / 255
    light = 170 + 50 * np.linspace(-1, 1, width) + 20 * np.linspace(-1, 1, height)[:, np.newaxis]
    sheet = light * (1 - 0.7 * ink) + generator.normal(0, noise, ink.shape)
    return np.clip(sheet, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0, 8])
def test_photographs(noise, test_images, tmp_path):
    generator = np.random.default_rng(0)
    alike = []
    for pixels in test_images[0][:30, :, :, 0]:
        found = load(PIL.Image.fromarray(photograph(pixels, generator, noise)), tmp_path / "a.png")
        alike.append(np.corrcoef(found.ravel(), pixels.ravel())[0, 1])
    # A box that is a pixel off, once in a while, is far less alike and read as well.
    assert np.median(alike) > 0.9
    assert np.percentile(alike, 10) > 0.75


@pytest.mark.parametrize("noise", [0, 8])
def test_a_photograph_of_blank_paper_is_blank(noise, tmp_path):
    sheet = photograph(np.zeros((28, 28), np.uint8), np.random.default_rng(1), noise)
    assert load(PIL.Image.fromarray(sheet), tmp_path / "a.png").max() == 0


def test_a_thin_line_and_a_blank_page(tmp_path):
    line = np.full((200, 200), 255, np.uint8)
    line[20:180, 100] = 0
    assert load(PIL.Image.fromarray(line), tmp_path / "a.png").max() > 100
    blank = load(PIL.Image.new("L", (90, 40), "white"), tmp_path / "b.png")
    assert blank.shape == SHAPE
    assert blank.max() == 0
    for size in ((1, 1), (1, 300), (300, 1), (3, 2)):
        assert load(PIL.Image.new("L", size, "white"), tmp_path / "c.png").max() == 0


def test_other_things_than_digits_are_resized_and_not_inverted(tmp_path):
    image = PIL.Image.new("RGB", (64, 64), (250, 10, 20))
    found = load(image, tmp_path / "a.png", PictureConfig((32, 32, 3)))
    assert found.shape == (32, 32, 3)
    np.testing.assert_array_equal(found, np.broadcast_to([250, 10, 20], (32, 32, 3)))


def test_rejects_a_file_that_is_not_a_picture(tmp_path, digit):
    text = tmp_path / "a.png"
    text.write_text("not a picture")
    cut = tmp_path / "cut.png"
    PIL.Image.fromarray(np.kron(digit, np.ones((9, 9), np.uint8))).save(cut)
    cut.write_bytes(cut.read_bytes()[:200])
    for path, message in (
        (text, "not a picture"),
        (cut, "cannot be read as a picture"),
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "a folder, not a picture"),
    ):
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {message}"):
            decode.load(path, DIGITS)

"""The graph gives the pixels that preparation and `digitline predict` give, file by file."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from digitline.base.pictures import decode
from digitline.base.pictures.config import FITS, PictureConfig
from digitline.base.tf import tf
from digitline.export.pictures import picture

# Tracing a graph takes seconds, once for each of them.
CONFIGS = (PictureConfig((9, 7, 1), "pad"), PictureConfig((6, 10, 3), "crop"))
BY_FIT = {config.fit: config for config in (*CONFIGS, PictureConfig((9, 7, 3), "stretch"))}


def grid(height, width, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    return PIL.Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def assert_same():
    def check(content, *configs):
        for config in configs or CONFIGS:
            expected = decode.load(Path("a"), config, content)
            np.testing.assert_array_equal(picture.loader(config)(tf.constant(content)), expected)

    return check


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def in_mode(mode, height=23, width=31):
    image = grid(height, width)
    if mode == "I;16":
        return PIL.Image.fromarray(np.asarray(image, np.uint16)[..., 0] * 251)
    if mode == "P":
        return image.quantize(17)
    converted = image.convert(mode)
    if "A" in mode:
        converted.putalpha(grid(height, width, seed=1).convert("L"))
    return converted


@pytest.mark.parametrize(
    ("kind", "modes"),
    {
        "PNG": ("1", "L", "LA", "RGB", "RGBA", "P", "I;16"),
        "JPEG": ("L", "RGB", "CMYK"),
        "BMP": ("L", "RGB", "RGBA", "P"),
        "GIF": ("L", "RGB", "P", "RGBA"),
    }.items(),
)
def test_every_kind_of_file_gives_its_pixels(kind, modes, assert_same):
    for mode in modes:
        assert_same(encoded(in_mode(mode), kind))
    assert_same(encoded(in_mode(modes[-1], 1, 1), kind))


@pytest.mark.skipif(tf.__version__ < "2.21", reason="TensorFlow reads WebP from 2.21 on")
def test_webp(assert_same):
    for mode in ("RGB", "RGBA"):
        assert_same(encoded(in_mode(mode), "WEBP"))


def test_jpegs_of_every_kind(assert_same):
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            options = {"subsampling": subsampling, "progressive": progressive, "quality": 60}
            assert_same(encoded(grid(37, 41), "JPEG", **options))


def test_a_transparent_colour(assert_same):
    image = grid(12, 12)
    grey = image.convert("L")
    corner = np.asarray(image)[0, 0]
    assert_same(encoded(image, "PNG", transparency=tuple(corner.tolist())))
    assert_same(encoded(grey, "PNG", transparency=int(np.asarray(grey)[0, 0])))
    assert_same(encoded(image.convert("1"), "PNG", transparency=0))
    assert_same(encoded(image.quantize(9), "PNG", transparency=bytes([0, 99])))
    assert_same(encoded(image.quantize(9), "GIF", transparency=3))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 60), (60, 1), (9, 7), (6, 10), (200, 150), (7, 9), (4, 91)]
)
def test_sizes(fit, size, assert_same):
    assert_same(encoded(grid(*size), "PNG"), BY_FIT[fit])


def test_large_pictures_in_blocks(assert_same, monkeypatch):
    monkeypatch.setattr(picture, "_BLOCK", 999)
    config = PictureConfig((11, 12, 3), "stretch")
    assert_same(encoded(in_mode("RGBA", 83, 131), "PNG"), config)


def test_light_ink_on_nothing_lies_on_black(assert_same):
    ink = np.zeros((9, 7), np.uint8)
    ink[2:6, 3:5] = 255
    for colour in ("white", "black", "yellow"):
        image = PIL.Image.new("RGBA", (7, 9), colour)
        image.putalpha(PIL.Image.fromarray(ink))
        assert_same(encoded(image, "PNG"))


def test_a_picture_is_turned_as_exif_says(assert_same):
    for number in range(10):
        exif = PIL.Image.Exif()
        exif[0x0110], exif[0x0112] = "a camera", number
        for kind in ("JPEG", "PNG"):
            assert_same(encoded(grid(8, 12), kind, exif=exif))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert_same(encoded(grid(8, 12), "JPEG", xmp=xmp))


def test_exif_in_either_byte_order_and_of_another_picture(assert_same):
    plain = encoded(grid(8, 12), "JPEG")
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00"
    tiff = b"Exif\0\0MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + bytes(4)

    def with_segment(marker, body):
        return plain[:2] + b"\xff" + marker + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]

    turned = with_segment(b"\xe1", tiff)
    assert_same(turned)
    assert decode.read(Path("a"), 1, turned).size == (8, 12)
    # What looks like EXIF elsewhere counts for nothing: in a comment, and after the picture.
    assert_same(with_segment(b"\xfe", b"\xff\xe1" + tiff))
    assert_same(plain + turned)


def test_dark_on_light_is_inverted_only_by_the_flag(test_images):
    config = PictureConfig((28, 28, 1))
    for image in test_images[0][:10]:
        dark = encoded(PIL.Image.fromarray(255 - image[..., 0]), "PNG")
        np.testing.assert_array_equal(picture.loader(config, True)(tf.constant(dark)), image)


def test_finds_the_digit_that_predict_finds(test_images, assert_same):
    config = PictureConfig((28, 28, 1), digits=True)
    generator = np.random.default_rng(0)
    digit = np.kron(test_images[0][0, ..., 0], np.ones((5, 5), np.uint8)) / 255
    for height, width, noise in ((28, 28, 0), (140, 140, 0), (150, 420, 5), (600, 380, 12)):
        ink = np.zeros((height, width))
        ink[:140, -140:] = digit[:height, -width:]
        ink[::150] = 1  # Lines.
        paper = np.linspace(140, 220, width)
        sheet = np.clip(paper * (1 - 0.7 * ink) + generator.normal(0, noise, ink.shape), 0, 255)
        assert_same(encoded(PIL.Image.fromarray(sheet.astype(np.uint8)), "PNG"), config)
    for size in ((1, 1), (1, 99), (300, 2)):
        assert_same(encoded(grid(*size), "JPEG"), config)
        assert_same(encoded(PIL.Image.new("RGBA", size), "PNG"), config)


def animated_webp():
    """Of this TensorFlow's decoder writes all frames into the room of one, if it gets it."""
    frames = [grid(9, 7, seed) for seed in range(3)]
    return encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def compressed_bmp():
    content = bytearray(encoded(in_mode("P"), "BMP"))
    content[30] = 1
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"garbage", b"BM", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff\xe1"),
        *(compressed_bmp(), encoded(grid(9, 7), "TIFF"), encoded(grid(9, 7), "PPM")),
        *(animated_webp(), encoded(grid(9, 7).convert("1"), "BMP")),
        encoded(grid(90, 70), "PNG")[:999],
        encoded(grid(90, 70), "JPEG")[:999],
    ],
)
def test_rejects_what_is_damaged_or_of_another_kind(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        picture.loader(CONFIGS[0])(tf.constant(content))


def stating(content, place, number):
    """A file with another number in its header, as long as `number`'s bytes."""
    return content[:place] + number + content[place + len(number) :]


_PNG = encoded(grid(5, 4), "PNG")
_JPEG = encoded(grid(5, 4), "JPEG")
_BMP = encoded(grid(5, 4), "BMP")
_GIF = encoded(grid(5, 4), "GIF")
_WEBP = encoded(grid(5, 4), "WEBP")
_LOSSLESS = encoded(grid(5, 4), "WEBP", lossless=True)
_ALPHA = encoded(in_mode("RGBA", 5, 4), "WEBP")


@pytest.mark.parametrize(
    "content",
    {
        "PNG": stating(_PNG, 16, bytes([0, 0, 0x40, 0, 0, 0, 0x40, 0])),
        "JPEG": stating(_JPEG, _JPEG.index(b"\xff\xc0") + 5, bytes([0x40, 0, 0x40, 0])),
        "BMP": stating(_BMP, 18, bytes([0, 0x40, 0, 0, 0, 0xC0, 0xFF, 0xFF])),
        "GIF": stating(_GIF, 6, bytes([0, 0x40, 0, 0x40])),
        "WebP": stating(_WEBP, 26, bytes([0xFF, 0x3F, 0xFF, 0x3F])),
        "WebP, lossless": stating(_LOSSLESS, 21, bytes([0xFF, 0xFF, 0xFF, 0x0F])),
        "WebP, extended": stating(_ALPHA, 24, bytes([0, 0x40, 0, 0, 0x40, 0])),
    }.items(),
    ids=lambda item: item[0],
)
def test_refuses_a_small_file_of_a_picture_that_fills_the_memory(content):
    with pytest.raises(tf.errors.InvalidArgumentError, match="too large a picture: over 89,478,"):
        picture.loader(CONFIGS[0])(tf.constant(content[1]))


def test_refuses_a_narrow_picture_that_is_cropped_out_of_a_huge_one():
    content = encoded(PIL.Image.new("1", (1, 1_000_000)), "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError, match="89,478,485 pixels before it is crop"):
        picture.loader(BY_FIT["crop"])(tf.constant(content))

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError
from digitline.base.pictures import decode
from digitline.base.pictures.config import PictureConfig


def test_pictures_of_every_mode(tmp_path):
    deep = (np.arange(16, dtype=np.uint16) * 4369).reshape(4, 4)
    PIL.Image.fromarray(deep).save(tmp_path / "deep.png")
    assert decode.load(tmp_path / "deep.png", PictureConfig((4, 4, 1))).max() == 255
    assert decode.load(tmp_path / "deep.png", PictureConfig((4, 4, 1)))[0, 1, 0] == 17
    clear = np.zeros((4, 4, 4), np.uint8)
    PIL.Image.fromarray(clear).save(tmp_path / "clear.png")
    assert decode.load(tmp_path / "clear.png", PictureConfig((4, 4, 3))).min() == 255
    turned = PIL.Image.new("RGB", (6, 4))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert decode.header(tmp_path / "turned.jpg").size == (6, 4)
    assert not decode.header(tmp_path / "deep.png").colour


@pytest.mark.parametrize("kind", sorted({*decode.FORMATS} - {"DIB"}))
def test_a_file_is_read_whatever_its_suffix_says(kind, tmp_path):
    PIL.Image.new("RGB", (6, 4), (250, 0, 0)).save(tmp_path / "red.JPG", kind)
    pixels = decode.load(tmp_path / "red.JPG", PictureConfig((4, 6, 3)))
    assert pixels.min() < 20
    assert pixels.max() > 235


@pytest.mark.parametrize("kind", ["EPS", "ICNS", "PDF", "TGA"])
def test_a_format_that_is_no_plain_picture_is_not_opened(kind):
    content = io.BytesIO()
    PIL.Image.new("RGB", (64, 64)).save(content, kind)
    with pytest.raises(DataError, match=r"a\.png: not a picture of a kind that is read: PNG, JPEG"):
        decode.read(Path("a.png"), 3, content=content.getvalue())


def test_other_sizes_fit_by_the_config(tmp_path):
    picture = np.full((20, 40, 3), (200, 100, 50), np.uint8)
    picture[5:15, 10:30] = 0
    PIL.Image.fromarray(picture).save(tmp_path / "wide.png")

    def image(fit):
        return decode.load(tmp_path / "wide.png", PictureConfig((10, 10, 3), fit))

    padded = image("pad")
    np.testing.assert_array_equal(padded[:2], np.broadcast_to([200, 100, 50], (2, 10, 3)))
    assert padded[4, 4:6].max() == 0
    np.testing.assert_array_equal(image("crop")[4:6, 1:9], np.zeros((2, 8, 3)))
    np.testing.assert_array_equal(image("stretch")[4:6, 4:6], np.zeros((2, 2, 3)))
    assert image("stretch")[:2].min() > 40
    digit = decode.load(tmp_path / "wide.png", PictureConfig((28, 28, 3), digits=True))
    assert (digit == digit[:, :, :1]).all()


def test_rejects_a_way_to_fit_that_there_is_not():
    with pytest.raises(ValueError, match=r"one of .*'pad'.*Received: 'squeeze'"):
        PictureConfig((4, 4, 1), "squeeze")


@pytest.mark.parametrize("read", [decode.header, lambda path: decode.read(path, 1)])
@pytest.mark.parametrize("sides", [(10_000, 10_000), (60_000, 60_000), (1_000_000, 90)])
def test_a_small_file_of_a_picture_that_fills_the_memory_is_not_decoded(sides, read, tmp_path):
    path = tmp_path / "bomb.png"
    PIL.Image.new("1", (1, 1)).save(path)
    header = b"IHDR" + struct.pack(">II", *sides) + b"\1\0\0\0\0"
    content = path.read_bytes()
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    with pytest.raises(DataError, match=rf"^{path}: too large a picture: [^\n]+$"):
        read(path)
    assert path.stat().st_size < 100


def test_a_narrow_picture_is_not_cropped_out_of_a_huge_one(tmp_path):
    path = tmp_path / "line.png"
    PIL.Image.new("1", (1_000_000, 1)).save(path)
    with pytest.raises(DataError, match=rf"^{path}: its 1000000x1 pixels become 10000000x10"):
        decode.load(path, PictureConfig((10, 10, 1), "crop"))
    assert decode.load(path, PictureConfig((10, 10, 1), "pad")).shape == (10, 10, 1)


def test_pixels_that_are_not_numbers_are_refused(tmp_path):
    path = tmp_path / "deep.tif"
    PIL.Image.fromarray(np.array([[0, np.nan], [1, 2]], np.float32)).save(path)
    with pytest.raises(DataError, match=rf"^{path}: .*it has pixels that are not numbers"):
        decode.load(path, PictureConfig((2, 2, 1)))

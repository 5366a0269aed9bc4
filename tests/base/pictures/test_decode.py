import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from digitline.base import pictures
from digitline.base.errors import DataError


def test_pictures_of_every_mode(tmp_path):
    deep = (np.arange(16, dtype=np.uint16) * 4369).reshape(4, 4)
    PIL.Image.fromarray(deep).save(tmp_path / "deep.png")
    assert pictures.decode(tmp_path / "deep.png", (4, 4, 1)).max() == 255
    assert pictures.decode(tmp_path / "deep.png", (4, 4, 1))[0, 1, 0] == 17
    clear = np.zeros((4, 4, 4), np.uint8)
    PIL.Image.fromarray(clear).save(tmp_path / "clear.png")
    assert pictures.decode(tmp_path / "clear.png", (4, 4, 3)).min() == 255
    turned = PIL.Image.new("RGB", (6, 4))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert pictures.header(tmp_path / "turned.jpg").size == (6, 4)
    assert not pictures.header(tmp_path / "deep.png").colour


@pytest.mark.parametrize("kind", sorted({*pictures.FORMATS} - {"DIB"}))
def test_a_file_is_read_whatever_its_suffix_says(kind, tmp_path):
    PIL.Image.new("RGB", (6, 4), (250, 0, 0)).save(tmp_path / "red.JPG", kind)
    pixels = pictures.decode(tmp_path / "red.JPG", (4, 6, 3))
    assert pixels.min() < 20
    assert pixels.max() > 235


@pytest.mark.parametrize("kind", ["EPS", "ICNS", "PDF", "TGA"])
def test_a_format_that_is_no_plain_picture_is_not_opened(kind):
    content = io.BytesIO()
    PIL.Image.new("RGB", (64, 64)).save(content, kind)
    with pytest.raises(DataError, match=r"a\.png: not a picture of a kind that is read: PNG, JPEG"):
        pictures.read(Path("a.png"), 3, content=content.getvalue())

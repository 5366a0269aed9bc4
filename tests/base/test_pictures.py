import numpy as np
import PIL.Image

from digitline.base import pictures


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

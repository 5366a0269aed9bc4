import materials
import numpy as np
import pytest
import scenes
import vehicles
from PIL import Image


@pytest.mark.parametrize("generator", [scenes, materials, vehicles])
def test_a_seed_gives_the_same_pictures_and_classes_differ(generator, tmp_path):
    classes = len(generator.CLASSES)
    for folder in ("one", "again"):
        generator.write(tmp_path / folder, classes, 48, 0)
    generator.write(tmp_path / "other", classes, 48, 1)
    contents = set()
    for name in generator.CLASSES:
        one, again, other = (
            tmp_path / folder / name / "0000.jpg" for folder in ("one", "again", "other")
        )
        assert one.read_bytes() == again.read_bytes()
        contents |= {one.read_bytes(), other.read_bytes()}
        pixels = np.asarray(Image.open(one))
        assert min(pixels.shape[:2]) >= 48
        assert pixels.std() > 3
    assert len(contents) == 2 * classes

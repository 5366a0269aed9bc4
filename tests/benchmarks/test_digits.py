import digit_pictures
import digits
import numpy as np
import pytest
from strokes import strokes_of

ZERO = [np.array([[0.5 + 0.4 * np.cos(t), 0.5 + 0.5 * np.sin(t)] for t in np.linspace(0, 6.3, 40)])]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=() if name in ("pen", "shadow", "board", "serif") else pytest.mark.long
        )
        for name in digit_pictures.KINDS
    ],
)
def test_a_picture_of_each_kind_shows_ink_on_paper(name):
    kind = digit_pictures.KINDS[name]
    picture = digit_pictures.picture(ZERO, 0, kind, np.random.default_rng(0))
    levels = np.asarray(picture.convert("L"), float)
    assert min(levels.shape) >= digit_pictures.SIDE
    assert levels.max() - levels.min() > 30
    again = digit_pictures.picture(ZERO, 0, kind, np.random.default_rng(0))
    assert again.tobytes() == picture.tobytes()


def test_strokes_are_lines_of_the_digits_size(dataset):
    from digitline.data.pipeline import records

    images, _ = records.load(dataset.split("train").cut(0, 20))
    generator = np.random.default_rng(0)
    for image in images.numpy():
        assert strokes_of(image[:, :, 0])
        points = np.concatenate(digits.traced_strokes(images.numpy(), generator))
        assert points.min() == 0
        assert points.max() == pytest.approx(1)

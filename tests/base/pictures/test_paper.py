"""A digit is found as on plain paper, whatever else is in the picture."""

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from digitline.base.pictures import decode, shape
from digitline.base.pictures.arrays import NumPy
from digitline.serving.prediction.inks import are_several

SIDE = 300
FIVE = [[(0.8, 0.05), (0.2, 0.05)], [(0.2, 0.05), (0.15, 0.45), (0.6, 0.4), (0.85, 0.65),
        (0.6, 0.95), (0.1, 0.9)]]  # fmt: skip
EIGHT = [[(0.5, 0.5), (0.1, 0.25), (0.5, 0.0), (0.9, 0.25), (0.5, 0.5), (0.1, 0.75), (0.5, 1.0),
         (0.9, 0.75), (0.5, 0.5)]]  # fmt: skip
ONE = [[(0.55, 0.0), (0.5, 1.0)]]


def drawn(strokes, pen=14, box=(90, 80, 120, 140), levels=(230, 40)):
    """Strokes in a box (x, y, width, height) on plain paper, of levels (paper, ink)."""
    left, top, width, height = box
    sheet = PIL.Image.new("L", (SIDE, SIDE), levels[0])
    draw = PIL.ImageDraw.Draw(sheet)
    for stroke in strokes:
        line = [(left + x * width, top + y * height) for x, y in stroke]
        draw.line(line, levels[1], pen, joint="curve")
        for x, y in line:
            draw.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], levels[1])
    return sheet


def found(sheet):
    return decode.find_digit(sheet, 28, 28)


def lit(sheet, light):
    return PIL.Image.fromarray((np.asarray(sheet) * light).clip(0, 255).astype(np.uint8))


def rows_and_columns():
    return np.mgrid[:SIDE, :SIDE]


def on_lines(sheet, tilt, crossed):
    draw = PIL.ImageDraw.Draw(sheet)
    for at in range(20, SIDE + 20, 45):
        draw.line([(0, at), (SIDE, at - tilt)], 60, 3)
        if crossed:
            draw.line([(at, 0), (at + tilt, SIDE)], 60, 3)
    return sheet


def in_frame(sheet):
    PIL.ImageDraw.Draw(sheet).rectangle([20, 15, 280, 285], outline=30, width=4)
    return sheet


def on_desk(sheet, *sides):
    draw = PIL.ImageDraw.Draw(sheet)
    for side in sides:
        draw.polygon([(0, 0), (SIDE, 0), (SIDE, 25), (0, 40)], 60)
        if side:
            draw.polygon([(0, 0), (20, 0), (35, SIDE), (0, SIDE)], 60)
            draw.rectangle([270, 0, SIDE, SIDE], 60)
            draw.rectangle([0, 265, SIDE, SIDE], 60)
    return sheet


def with_specks(sheet):
    draw = PIL.ImageDraw.Draw(sheet)
    for x, y in np.random.default_rng(0).integers(0, SIDE, (40, 2)).tolist():
        draw.ellipse([x - 2, y - 2, x + 2, y + 2], 60)
    return sheet


def noisy(sheet):
    noise = np.random.default_rng(0).normal(0, 20, (SIDE, SIDE))
    return PIL.Image.fromarray((np.asarray(sheet) + noise).clip(0, 255).astype(np.uint8))


def in_shadow(sheet):
    rows, columns = rows_and_columns()
    return lit(sheet, np.where(rows + 0.7 * columns > 250, 0.45, 1.0))


def in_a_lamps_light(sheet):
    rows, columns = rows_and_columns()
    return lit(sheet, 1.1 - 0.7 * (rows + columns) / (2 * SIDE))


@pytest.mark.parametrize(
    "change",
    [
        *(in_shadow, in_a_lamps_light, noisy, with_specks, in_frame),
        lambda sheet: on_desk(sheet, False),
        lambda sheet: on_desk(sheet, True),
        lambda sheet: on_lines(sheet, 0, False),
        lambda sheet: on_lines(sheet, 7, True),
        lambda sheet: in_shadow(in_frame(sheet)),
        lambda sheet: sheet.point(lambda level: 255 - level),
    ],
)
def test_the_same_digit_as_on_plain_paper(change):
    expected = found(drawn(FIVE))
    assert expected.max() > 200
    assert np.corrcoef(found(change(drawn(FIVE))).ravel(), expected.ravel())[0, 1] > 0.93


def test_a_digit_that_fills_the_picture(test_images):
    for strokes, pen in ((FIVE, 30), (EIGHT, 24)):
        sheet = drawn(strokes, pen)
        rows, columns = np.nonzero(np.asarray(sheet) < 100)
        tight = sheet.crop((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        expected = found(sheet)
        assert np.corrcoef(found(tight).ravel(), expected.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("pen", [3, 8, 14, 26])
def test_strokes_become_as_wide_as_mnists(pen):
    width = shape.stroke_width(NumPy(), found(drawn(FIVE, pen)).astype(np.float64))
    assert 1.9 <= width <= 3.2


def test_a_narrow_digit_becomes_wider_unless_it_is_a_one():
    box = (130, 60, 35, 170)
    for strokes, least, most in ((EIGHT, 9, 12), (ONE, 2, 5)):
        _, columns = np.nonzero(found(drawn(strokes, 10, box)) > 60)
        assert least <= np.ptp(columns) + 1 <= most


def test_a_broken_stroke_is_whole():
    whole = drawn(FIVE, 8)
    broken = np.array(whole)
    for row in (100, 125, 165, 190):
        broken[row : row + 5] = 230
    image = found(PIL.Image.fromarray(broken))
    assert np.corrcoef(image.ravel(), found(whole).ravel())[0, 1] > 0.85


def test_two_digits_stay_apart():
    sheet = drawn([*ONE, *[[(x + 1.0, y) for x, y in stroke] for stroke in EIGHT]])
    assert are_several(found(sheet)[..., None])
    assert not are_several(found(drawn(EIGHT))[..., None])


def test_what_holds_no_digit_is_black():
    generator = np.random.default_rng(0)
    scribble = [generator.uniform(0, 1, (14, 2)).tolist()]
    blank = PIL.Image.new("L", (SIDE, SIDE), 230)
    blot = PIL.Image.new("L", (SIDE, SIDE), 230)
    PIL.ImageDraw.Draw(blot).ellipse([100, 120, 170, 200], 40)
    sheets = {
        "shadow": in_shadow(blank.copy()),
        "desk": on_desk(blank.copy(), True),
        "lines": on_lines(blank.copy(), 5, True),
        "noise": noisy(blank.copy()),
        "specks": with_specks(blank.copy()),
        "blot": blot,
        "scribble": drawn(scribble, 3, (40, 40, 220, 220)),
    }
    assert [name for name, sheet in sheets.items() if found(sheet).any()] == []

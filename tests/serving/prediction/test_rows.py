"""The rows of CSV files and arrays: what becomes of each, and what is said."""

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.base.pictures.config import PictureConfig
from digitline.serving.prediction.arrays import ArrayFile
from digitline.serving.prediction.csv_rows import CsvRows
from digitline.serving.prediction.pictures import Wanted

# Two images of 2x3 pixels.
IMAGES = np.array([[0, 255, 51, 102, 3, 4], [255, 0, 0, 0, 51, 204]], np.uint8)
WANTED = Wanted(PictureConfig((2, 3, 1)))
HEADER = ",".join(f"pixel{number}" for number in range(6))


def lines(separator=",", before=(), after=(), scale=1):
    rows = [[*before, *(pixel / scale if scale > 1 else pixel for pixel in image), *after]
            for image in IMAGES.tolist()]  # fmt: skip
    return "\n".join(separator.join(map(str, row)) for row in rows) + "\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines(), "no label, 6 pixels 2x3, separator `,`, no header"),
        (f"{HEADER}\n{lines()}", "separator `,`, header"),
        (f"\n\ufeff{HEADER}\n{lines()}".lstrip(), "separator `,`, header"),
        (f"label,{HEADER}\n{lines(before=[7])}", "label in column `label`"),
        (f"{HEADER},class\n{lines(after=['seven'])}", "label in column `class`"),
        (f",{HEADER},label\n{lines(before=[0], after=[7])}", "left out: column 0"),
        (lines(before=[7]), "label in column 0"),
        (lines(separator=";"), "separator `;`"),
        (lines(separator="\t", before=[7]), "separator tab"),
        (lines().replace("\n", "\r"), "separator `,`"),
        (lines().replace("\n", "\r\n\r\n"), "separator `,`"),
        (lines(scale=255), "pixels from 0 to 1, multiplied by 255"),
        ('"' + lines().replace(",", '","').replace("\n", '"\n"').rstrip('"'), "separator `,`"),
    ],
)
def test_rows_of_every_usual_form(tmp_path, capsys, content, said):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8", newline="")
    pictures = list(CsvRows(path).read(WANTED))
    assert [picture.row for picture in pictures] == [1, 2]
    np.testing.assert_array_equal([picture.pixels.ravel() for picture in pictures], IMAGES)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2,3,4,5", "expected 6 columns, got 5"),
        ("1,2,,4,5,6", "pixel 2 is empty, not a number from 0 to 255"),
        ("1,2,x,4,5,6", "pixel 2 is x, not a number"),
        ("1,2,3,4,5,256", "pixel 5 is 256, not a number from 0 to 255"),
        ("1,2,3,4,5,-1", "pixel 5 is -1"),
        ("1,2,3,nan,5,6", "pixel 3 is nan"),
    ],
)
def test_a_damaged_row_is_named_and_the_others_are_read(tmp_path, row, message):
    path = tmp_path / "a.csv"
    path.write_text(f"{lines()}{row}\n{lines()}")
    answers = list(CsvRows(path).read(WANTED))
    assert [getattr(answer, "row", None) for answer in answers] == [1, 2, None, 4, 5]
    assert f"a.csv, row 3: {message}" in answers[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no rows"),
        (f"{HEADER}\n", "holds no rows, only a header"),
        ("1,2,3\n", r"3 columns .*; expected the 6 pixels of a 2x3x1 image"),
        ("name,score\nx,2\n", "2 columns"),
        (None, "no such file"),
    ],
)
def test_rejects_a_file_of_something_else(tmp_path, content, message):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=rf"a\.csv: .*{message}"):
        list(CsvRows(path).read(WANTED))


@pytest.mark.parametrize(
    ("arrays", "count"),
    [
        (IMAGES.reshape(2, 2, 3), 2),
        (IMAGES.reshape(2, 2, 3, 1).astype(np.int64), 2),
        (IMAGES, 2),
        (IMAGES.reshape(2, 1, 2, 3), 2),
        (IMAGES[0].reshape(2, 3), 1),
        ((IMAGES / 255).reshape(2, 2, 3).astype(np.float32), 2),
        ({"x_train": IMAGES[:1], "y_test": np.zeros(2), "x_test": IMAGES}, 2),
        ({"mine": IMAGES}, 2),
    ],
)
def test_arrays_of_every_usual_form(tmp_path, arrays, count):
    path = tmp_path / ("a.npz" if isinstance(arrays, dict) else "a.npy")
    np.savez(path, **arrays) if isinstance(arrays, dict) else np.save(path, arrays)
    pictures = list(ArrayFile(path).read(WANTED))
    pixels = np.array([picture.pixels for picture in pictures])
    np.testing.assert_array_equal(pixels, IMAGES[:count].reshape(count, 2, 3, 1))


@pytest.mark.parametrize(("scale", "white"), [(0, 255), (1, 1), (255, 255)])
def test_what_white_is_in_rows_of_0_and_1_is_the_datasets(tmp_path, scale, white):
    wanted = Wanted(PictureConfig((2, 3, 1), scale=scale))
    rows = (IMAGES > 100).astype(int)
    np.savetxt(tmp_path / "a.csv", rows, "%d", ",")
    np.save(tmp_path / "a.npy", rows)
    for source in (CsvRows(tmp_path / "a.csv"), ArrayFile(tmp_path / "a.npy")):
        pixels = [picture.pixels.ravel() for picture in source.read(wanted)]
        np.testing.assert_array_equal(pixels, rows * white)
    np.save(tmp_path / "a.npy", rows * 0.5)  # Fractions leave no doubt.
    (first, *_) = ArrayFile(tmp_path / "a.npy").read(wanted)
    assert first.pixels.max() == 128


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.npy",
            np.zeros((2, 2, 3, 2), np.uint8),
            r"expected images \[N, H, W\] .*, got uint8 \[2, 2, 3, 2\]",
        ),
        ("a.npy", np.zeros((0, 2, 3)), "it holds no image"),
        ("a.npy", np.array(["x", "y"]), "expected numbers, got <U1"),
        ("a.npz", {"a": IMAGES, "b": IMAGES}, "holds a, b; expected one array of images"),
        ("a.npy", b"text", "cannot be read as NumPy's arrays"),
        ("a.npz", b"", "cannot be read as NumPy's arrays"),
        ("a.npy", np.array([IMAGES, None], object), "cannot be read as NumPy's arrays"),
        ("a.npz", None, "no such file"),
    ],
)
def test_rejects_arrays_of_something_else(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        list(ArrayFile(path).read(WANTED))

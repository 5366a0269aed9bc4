"""The forms in which people's arrays come: each gives the same pictures and labels."""

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.base.pictures.config import PictureConfig
from digitline.data.sources.arrays import npz

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (60, 5, 5), np.uint8)
COLOUR = RNG.integers(0, 256, (60, 5, 5, 3), np.uint8)
Y = np.arange(60) * 7 % 10
ONE_HOT = np.eye(10)[Y]
WORDS = np.array([f"w{number}" for number in Y])
VAL = {"x_val": X[:20], "y_val": Y[:20]}


def read(tmp_path, arrays):
    np.savez(tmp_path / "odd.npz", **arrays)
    return npz.read(tmp_path / "odd.npz", lambda shapes: PictureConfig(shapes["train"]))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": X, "y_train": Y}, "train of x_train and y_train"),
        ({"X_train": X, "Y_train": Y}, "train of X_train and Y_train"),
        ({"train_x": X, "train_y": Y}, "train of train_x and train_y"),
        ({"xtrain": X, "ytrain": Y}, "train of xtrain and ytrain"),
        ({"train_images": X, "train_labels": Y[:, None]}, "train of train_images"),
        ({"X": X, "y": Y}, "train of X and y"),
        ({"data": X.reshape(60, 25), "target": Y.astype(str)}, "25 pixels, taken as 5x5x1"),
        (
            {"data": X.reshape(60, 25), "images": X, "target": Y},
            "left out: data, which is images in rows",
        ),
        ({"arr_0": X, "arr_1": Y}, "arr_0 is taken for the images, arr_1 for the labels"),
        ({"arr_0": Y, "arr_1": X}, "arr_1 is taken for the images, arr_0 for the labels"),
        ({"data": COLOUR.reshape(60, 75), "labels": Y}, "5x5x3, red, green, blue of each pixel"),
        ({"images": X, "labels": Y, "mean": np.array(3.5)}, "left out: mean (float64 [])"),
        ({"images": X[:, None], "labels": Y}, "channels first [N, C, H, W], moved to the end"),
        ({"images": COLOUR.transpose(0, 3, 1, 2), "labels": Y}, "channels first"),
        ({"images": COLOUR.transpose(1, 2, 3, 0), "labels": Y}, "images last [H, W, C, N]"),
        ({"images": X, "labels": ONE_HOT}, "one-hot rows of 10 classes"),
        ({"images": X, "labels": ONE_HOT.astype(bool)}, "one-hot rows of 10 classes"),
        ({"images": X, "labels": ONE_HOT.astype(np.uint8)}, "one-hot rows of 10 classes"),
        ({"images": X, "labels": ONE_HOT.astype(np.float16)}, "one-hot rows of 10 classes"),
        ({"images": X, "labels": Y.astype(float)}, ""),
        ({"images": X, "labels": Y.astype(bytes)}, ""),
        ({"images": X, "labels": np.char.add(Y.astype(str), ".0")}, ""),
        ({"images": np.minimum(X + 0.3, 255), "labels": Y}, "fractions are rounded"),
        ({"images": X // 16, "labels": Y}, "the brightest pixel is 15 of 255"),
    ],
)
def test_forms_of_one_set(arrays, said, tmp_path, capsys):
    read_arrays = read(tmp_path, arrays)
    assert said in capsys.readouterr().err
    train = read_arrays.splits["train"]
    grey = X // 16 if "brightest" in said else X
    expected = COLOUR if train.images.shape[3] == 3 else grey[..., np.newaxis]
    np.testing.assert_array_equal(train.images, expected)
    np.testing.assert_array_equal(train.labels, Y)
    assert read_arrays.label_names == tuple("0123456789")
    assert read_arrays.damaged == ()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("x_val", "y_val"),
        ("X_valid", "Y_valid"),
        ("val_images", "val_labels"),
        ("x_validation", "y_validation"),
        ("xdev", "ydev"),
    ],
)
def test_validation_arrays_are_used(x, y, tmp_path):
    splits = read(tmp_path, {"x_train": X, "y_train": Y, x: X[:20], y: Y[:20]}).splits
    assert set(splits) == {"train", "validation"}
    np.testing.assert_array_equal(splits["validation"].labels, Y[:20])


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        (WORDS, tuple(f"w{number}" for number in range(10)), Y),
        (WORDS.astype(bytes), tuple(f"w{number}" for number in range(10)), Y),
        (np.array(["10", "2", "9"] * 20), ("2", "9", "10"), [2, 0, 1] * 20),
        (np.array(["0", "1", "3"] * 20), ("0", "1", "3"), [0, 1, 2] * 20),
        (np.array([0, 1, 3] * 20), ("0", "1", "2", "3"), [0, 1, 3] * 20),
        (np.eye(4)[[0, 1, 1] * 20], ("0", "1", "2", "3"), [0, 1, 1] * 20),
        (np.array([True, False] * 30), ("0", "1"), [1, 0] * 30),
    ],
)
def test_names_and_numbers(labels, names, numbers, tmp_path):
    arrays = read(tmp_path, {"images": X, "labels": labels})
    assert arrays.label_names == names
    np.testing.assert_array_equal(arrays.splits["train"].labels, numbers)


def test_rejects_arrays_without_names(tmp_path):
    for arrays in ((X, Y, X, Y), (X,)):
        np.savez(tmp_path / "odd.npz", *arrays)
        with pytest.raises(DataError, match=r"its arrays have no names \(arr_0 \[60, 5, 5\]"):
            npz.read(tmp_path / "odd.npz", lambda shapes: PictureConfig(shapes["train"]))


def test_names_of_numbered_classes(tmp_path, capsys):
    names = np.array([b"cat", b"dog", b"eel"])
    arrays = read(tmp_path, {"images": X, "labels": Y % 2, "class_names": names})
    assert arrays.label_names == ("cat", "dog", "eel")
    assert "3 classes, but no training image is of eel" in capsys.readouterr().err
    words = names[Y % 2].astype(str)
    arrays = read(tmp_path, {"images": X, "labels": words, "class_names": names[::-1]})
    assert arrays.label_names == ("eel", "dog", "cat")
    np.testing.assert_array_equal(arrays.splits["train"].labels, 2 - Y % 2)


@pytest.mark.parametrize(
    ("labels", "cause"),
    [
        (np.where(np.arange(60) == 3, np.nan, Y), "it has no label: NaN"),
        (np.where(np.arange(60) == 3, "", WORDS), "it has no label"),
        (np.where(np.arange(60) == 3, "nan", WORDS), "it has no label: nan stands for"),
        (np.where((np.arange(60) == 3)[:, None], 0, ONE_HOT), "it has no label: no 1 in its row"),
    ],
)
def test_a_missing_label_is_named_and_moves_no_other(labels, cause, tmp_path):
    arrays = read(tmp_path, {"images": X, "labels": labels})
    (damaged,) = arrays.damaged
    assert f"odd.npz, labels, index 3: {cause}" in damaged
    np.testing.assert_array_equal(arrays.splits["train"].labels, np.delete(Y, 3))
    np.testing.assert_array_equal(arrays.splits["train"].images[..., 0], np.delete(X, 3, 0))


def test_an_image_with_nan_is_named_and_moves_no_other(tmp_path):
    images = np.where((np.arange(60) == 3)[:, None, None], np.nan, X)
    arrays = read(tmp_path, {"images": images, "labels": Y})
    assert "index 3: its pixels in images are not all a number from 0 to 255" in arrays.damaged[0]
    np.testing.assert_array_equal(arrays.splits["train"].labels, np.delete(Y, 3))


def test_a_name_that_training_has_not_is_a_damaged_row(tmp_path):
    val = {"x_val": X[:3], "y_val": np.array(["w1", "w99", "w2"])}
    arrays = read(tmp_path, {"x_train": X, "y_train": WORDS, **val})
    assert arrays.splits["validation"].labels.tolist() == [1, 2]
    assert "y_val, index 1: no training image has its label, 'w99'" in arrays.damaged[0]


def test_numbers_beside_names_are_names_too(tmp_path):
    val = {"x_val": X[:3], "y_val": np.array([2**31 - 1, 7, 0])}
    arrays = read(tmp_path, {"x_train": X, "y_train": Y.astype(str), **val})
    assert arrays.splits["validation"].labels.tolist() == [7, 0]
    assert "y_val, index 0: no training image has its label, '2147483647'" in arrays.damaged[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_extra": X, "y_extra": Y}, r"x_extra \[60, 5, 5\] may hold images, but its name does"),
        ({"holdout": X}, r"holdout \[60, 5, 5\] may hold images"),
        ({"x_holdout": X.reshape(60, 25)}, "x_holdout .* may hold images"),
        ({"x_val": X[:9]}, "holds x_val, but no labels of the validation split"),
        ({"y_val": Y[:9]}, "holds y_val, but no images of the validation split"),
        ({**VAL, "val_images": X[:9]}, "x_val and val_images may both be the images of the val"),
        ({"y_train": np.full((60, 2), 0.5)}, "one-hot rows of zeros and a single 1"),
        ({"y_train": np.ones((60, 3), int)}, "one-hot rows of zeros and a single 1"),
        ({"y_train": np.full(60, np.nan)}, "no image has a label"),
        ({"x_train": X / 127.5 - 1}, "expected pixels from 0 to 255, or from 0 to 1, got -1 to 1"),
        ({"x_train": X.astype(np.uint16) * 257}, "got .* to 65"),
        ({"x_train": RNG.integers(0, 9, (60, 5, 5, 4))}, "with 1 or 3 channels"),
        ({"label_names": np.array(["a"] * 10)}, "classes 0 and 1 are both called a"),
        ({"label_names": np.array(["a", ""] * 5)}, "class 1: it has no label"),
        ({"y_train": WORDS.astype(object)}, "y_train: cannot be read"),
        (
            {"x_test": X / 255, "y_test": Y},
            "x_test are from 0 to 1, those of x_train from 0 to 255",
        ),
        ({"x_train": X / 255, "x_test": X, "y_test": Y}, "x_train are from 0 to 1, those of x_te"),
    ],
)
def test_rejects_what_is_not_clear(change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(tmp_path, {"x_train": X, "y_train": Y, **change})

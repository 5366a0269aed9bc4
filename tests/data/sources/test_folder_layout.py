import os
import unicodedata

import pytest

from digitline.base.errors import DataError
from digitline.data.sources import folder_layout

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))


def made(root, *names):
    """A folder of empty files, and of empty folders where a name ends with a slash."""
    root.mkdir()
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return root


def seen(layout):
    """The pictures by split and class."""
    return {
        f"{split} {label}": layout.names(split, label)
        for split, classes in layout.folders.items()
        for label in classes
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/1.png", "b/1.JPG"], {"train a": ["a/1.png"], "train b": ["b/1.JPG"]}),
        (
            ["Train/a/1.png", "Train/b/1.png", "test_set/a/1.png"],
            {"train a": ["Train/a/1.png"], "train b": ["Train/b/1.png"],
             "test a": ["test_set/a/1.png"]},
        ),
        (
            ["top/seg_train/seg_train/a/1.png", "top/seg_train/seg_train/b/1.png",
             "top/seg_pred/1.png", "top/Validation Set/b/1.png"],
            {"train a": ["top/seg_train/seg_train/a/1.png"],
             "train b": ["top/seg_train/seg_train/b/1.png"],
             "validation b": ["top/Validation Set/b/1.png"]},
        ),
        (
            ["train/1.png", "car/1.png"],
            {"train car": ["car/1.png"], "train train": ["train/1.png"]},
        ),
        (
            ["train_station/day/1.png", "train_station/1.png", "airport/1.png"],
            {"train airport": ["airport/1.png"],
             "train train_station": ["train_station/1.png", "train_station/day/1.png"]},
        ),
        (
            ["9/1.png", "10.0/1.png"],
            {"train 9": ["9/1.png"], "train 10": ["10.0/1.png"]},
        ),
        (
            [f"train/{COMPOSED}/1.png", "train/b/1.png", f"test/{DECOMPOSED}/1.png"],
            {"train b": ["train/b/1.png"], f"train {COMPOSED}": [f"train/{COMPOSED}/1.png"],
             f"test {COMPOSED}": [f"test/{DECOMPOSED}/1.png"]},
        ),
    ],
)  # fmt: skip
def test_splits_and_classes(names, expected, tmp_path):
    assert seen(folder_layout.look(made(tmp_path / "root", *names))) == expected


def test_what_is_no_class_and_no_picture_is_counted_by_kind(tmp_path):
    root = made(
        tmp_path / "root",
        *("a/1.png", "a/Thumbs.db", "a/.DS_Store", "a/annotations/1.png", "b/1.png", "b/README"),
        *("__MACOSX/a/1.png", ".git/HEAD", "labels/1.txt", "empty/", "texts/1.txt", "loose.gif"),
    )
    os.symlink("..", root / "b" / "up")
    layout = folder_layout.look(root)
    assert seen(layout) == {"train a": ["a/1.png"], "train b": ["b/1.png"]}
    assert {kind.kind: (kind.count, set(kind.first)) for kind in layout.left_out()} == {
        ".db files": (1, {"a/Thumbs.db"}),
        "files without a suffix": (1, {"b/README"}),
        "hidden": (2, {".git", "a/.DS_Store"}),
        "folders that hold no class": (3, {"__MACOSX", "labels", "a/annotations"}),
        "folders without pictures": (2, {"empty", "texts"}),
        "links to folders": (1, {"b/up"}),
        "pictures outside of class folders": (1, {"loose.gif"}),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "root: it holds no pictures; expected one folder for each class"),
        (["a/1.heic", "b/1.heic"], r"it holds no pictures \(2 .heic files\); expected"),
        (["1.png", "2.png"], "2 pictures lie right in it; expected one folder for each class"),
        (["cat/1.png", "labels/1.txt"], r"only one class \(cat\): there is nothing to tell apart"),
        (["train/a/1.png", "train/b/1.png", "test/c/1.png"], r"test/c: a class that .*\(a, b\)"),
        (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "two folders for one split: val, val"),
        (["train/1.png", "test/1.png"], "test, train: called as splits, but no training"),
        (["test/a/1.png", "test/b/1.png"], "test: called as splits, but no training folder"),
        (["train/a/1.png", "train/b/1.png", "more/a/1.png"], "train is called as a split .* more"),
        ([f"{COMPOSED}/1.png", f"{DECOMPOSED}/1.png"], "are one class"),
        (["nan/1.png", "b/1.png"], "nan stands for a missing one"),
    ],
)
def test_rejects_folders_of_another_form(names, message, tmp_path):
    with pytest.raises(DataError, match=message):
        folder_layout.look(made(tmp_path / "root", *names))

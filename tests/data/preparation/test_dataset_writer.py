"""Tests of what is checked of every dataset once it is written: the classes of its splits."""

from typing import Any

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError
from digitline.data import prepare

from support import call, idx_bytes

# Of three classes in the training split.
LABELS = {"train": [0, 1, 2] * 8, "validation": [0, 1, 2, 1], "test": [1, 1, 1]}


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 4, 4), np.uint8)


def in_folders(folder, labels):
    for split, of_split in labels.items():
        for index, label in enumerate(of_split):
            path = folder / "toy" / split / "abc"[label] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(images(30)[index]).save(path)
    return ["--dataset=image_folder", f"--source_dir={folder / 'toy'}"]


def in_arrays(folder, labels):
    names = {"train": "train", "validation": "val", "test": "test"}
    arrays: Any = {f"x_{names[split]}": images(len(labels[split])) for split in labels}
    arrays |= {f"y_{names[split]}": np.array(labels[split]) for split in labels}
    np.savez(folder / "toy.npz", label_names=["a", "b", "c"], **arrays)
    return ["--dataset=npz", f"--source_file={folder / 'toy.npz'}"]


def in_a_column(folder, labels):
    rows = [
        ["abc"[label], split, *image.ravel()]
        for split, of_split in labels.items()
        for label, image in zip(of_split, images(len(of_split)), strict=True)
    ]
    head = ["label", "split", *(f"pixel{pixel}" for pixel in range(16))]
    lines = (",".join(map(str, row)) for row in [head, *rows])
    (folder / "toy.csv").write_text("\n".join(lines))
    return ["--dataset=csv", f"--source_file={folder / 'toy.csv'}"]


def in_files(folder, labels):
    for split in ("train", "test"):
        stem = {"train": "train", "test": "t10k"}[split]
        of_split = np.array(labels[split], np.uint8)
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx_bytes(images(len(of_split))))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(of_split))
    return ["--dataset=toy", "--source=local", f"--source_dir={folder}"]


SOURCES = [in_folders, in_arrays, in_a_column, in_files]


@pytest.mark.parametrize("source", SOURCES)
def test_rejects_a_split_of_one_class(source, tmp_path):
    only = "1" if source is in_files else "b"
    with pytest.raises(
        DataError, match=rf"toy: the test split holds only one class \({only}: 3 im"
    ):
        call(prepare.COMMAND, [*source(tmp_path, LABELS), f"--data_dir={tmp_path / 'data'}"])
    assert not list(tmp_path.glob("data/toy*"))


@pytest.mark.parametrize("source", SOURCES)
def test_says_which_split_lacks_which_classes(source, tmp_path):
    labels = {**LABELS, "train": [*LABELS["train"], 2], "test": [0, 1]}
    result = call(prepare.COMMAND, [*source(tmp_path, labels), f"--data_dir={tmp_path / 'data'}"])
    lacking = "2 (8 in train)" if source is in_files else "c (9 in train)"
    assert f"test has no image of 1 of the 3 classes: {lacking}" in result["warnings"]


@pytest.mark.parametrize(
    ("labels", "warning"),
    [
        ([0] * 9 + [1] * 9 + [2], "validation has no image of 1 of the 3 classes: c (1 in train)"),
        ([0, 1, 1, 2], "no class has more than 2 images: none are left for validation and test"),
    ],
)
def test_says_which_classes_are_too_small_to_be_cut(labels, warning, tmp_path):
    options = in_arrays(tmp_path, {"train": labels})
    result = call(prepare.COMMAND, [*options, f"--data_dir={tmp_path / 'data'}"])
    assert warning in result["warnings"]


def test_a_class_without_any_image_is_said_once(tmp_path):
    options = in_files(tmp_path, {"train": [0, 4] * 9, "test": [0, 4]})
    result = call(prepare.COMMAND, [*options, f"--data_dir={tmp_path / 'data'}"])
    lacking = [warning for warning in result["warnings"] if "no image of" in warning]
    assert lacking == ["train has no image of 3 of the 5 classes: 1, 2, 3"]


def test_rejects_a_class_too_small_to_be_cut_where_it_is_one_of_two(tmp_path):
    options = in_arrays(tmp_path, {"train": [0] * 20 + [1, 1]})
    with pytest.raises(DataError, match=r"validation split .* \(a: 2 .* of b too, .*_fraction=0"):
        call(prepare.COMMAND, [*options, f"--data_dir={tmp_path / 'data'}"])

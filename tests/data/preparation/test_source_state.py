import os

import numpy as np
import PIL.Image
import pytest

from digitline.data.metadata import Metadata
from digitline.data.preparation import source_state
from digitline.data.preparation.source_state import ChangedError, check_same, state


def picture(path, shade=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((4, 4), shade, np.uint8)).save(path)


def test_a_file_by_its_size_and_time(tmp_path):
    path = tmp_path / "a.npz"
    assert state("npz", path) is None
    path.write_bytes(b"12345")
    first = state("npz", path)
    assert (first["number"], first["bytes"]) == (1, 5)
    assert state("npz", path) == first
    os.utime(path, ns=(1, 1))
    assert state("npz", path) != first


def test_a_folder_by_its_pictures(tmp_path):
    for name in ("cat/1.png", "dog/1.png", "dog/2.png"):
        picture(tmp_path / name)
    first = state("image_folder", tmp_path)
    assert first["number"] == 3
    (tmp_path / "dog" / ".DS_Store").write_text("")  # Looking at a folder may leave such a file.
    assert state("image_folder", tmp_path) == first
    os.rename(tmp_path / "dog" / "2.png", tmp_path / "cat" / "2.png")
    moved = state("image_folder", tmp_path)
    assert (moved["number"], moved["bytes"]) == (first["number"], first["bytes"])
    assert moved != first
    picture(tmp_path / "cat" / "3.png")
    assert state("image_folder", tmp_path)["number"] == 4


def test_a_folder_of_csv_files_by_those_that_are_read(tmp_path):
    (tmp_path / "train.csv").write_text("0,1")
    first = state("csv", tmp_path)
    (tmp_path / "notes.csv").write_text("mine")
    assert state("csv", tmp_path) == first
    (tmp_path / "test.csv").write_text("0,1")
    assert state("csv", tmp_path)["number"] == 2


def test_datasets_from_before_there_was_a_state_are_taken(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"12345")
    wanted = {"place": "a.npz", source_state.FILES: state("npz", tmp_path / "a.npz")}
    check_same(wanted, Metadata(source={"place": "a.npz"}), tmp_path, 0)
    check_same(wanted, Metadata(source=wanted), tmp_path, 0)
    gone = {**wanted, source_state.FILES: None}
    check_same(gone, Metadata(source=wanted), tmp_path, 0)
    changed = Metadata(source={**wanted, source_state.FILES: {"number": 1}})
    with pytest.raises(ChangedError, match=r"a\.npz has changed since .* was prepared from it"):
        check_same(wanted, changed, tmp_path, 0)

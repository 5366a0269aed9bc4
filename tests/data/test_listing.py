"""Prepared datasets are listed by their files, the damaged ones with the reason."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from digitline.base.errors import DataError
from digitline.data import listing
from digitline.data.dataset import open_dataset

from support import DATASET, flip


def test_reads_what_a_prepared_dataset_is(data_dir, dataset):
    (listed,) = listing.datasets(data_dir)
    assert (listed.name, listed.version) == (dataset.name, dataset.version)
    assert (listed.image_shape, listed.classes) == (dataset.image_shape, dataset.num_classes)
    assert listed.splits == {name: dataset.split(name).examples for name in dataset.split_names}
    assert listed.damage is None


@pytest.mark.parametrize(
    ("spoil", "damage"),
    [
        (lambda folder: next(folder.glob("*-train.*")).unlink(), "1 of 3 files of train are"),
        (lambda folder: (folder / "features.json").write_text("{"), "is not valid JSON"),
        (lambda folder: (folder / "features.json").write_text("[]"), "not a JSON object"),
        (lambda folder: (folder / "dataset_info.json").unlink(), "does not exist"),
        (
            lambda folder: flip(folder / "label.labels.txt", 0),
            "is not what was written",
        ),
    ],
)
def test_names_the_damage(spoil, damage, data_dir, tmp_path):
    folder = tmp_path / "family" / "letters" / "1.0.0"
    shutil.copytree(data_dir / DATASET / "1.0.0", folder)
    spoil(folder)
    (listed,) = listing.datasets(tmp_path)
    assert listed.name == "family/letters"
    assert damage in listed.damage
    assert listing.names(tmp_path) == []


def test_the_newest_version_counts(data_dir, tmp_path):
    for version in ("1.9.0", "1.10.0", "incomplete.X_2.0.0"):
        shutil.copytree(data_dir / DATASET / "1.0.0", tmp_path / DATASET / version)
    assert [dataset.version for dataset in listing.datasets(tmp_path)] == ["1.10.0"]
    assert listing.newest(tmp_path, DATASET) == tmp_path / DATASET / "1.10.0"
    assert listing.datasets(tmp_path / "none") == []
    # A newer one that is damaged is not passed over for an older one.
    (tmp_path / DATASET / "1.10.0/dataset_info.json").unlink()
    assert listing.newest(tmp_path, DATASET) == tmp_path / DATASET / "1.10.0"
    with pytest.raises(DataError, match=r"1\.10\.0/dataset_info\.json does not exist"):
        open_dataset(tmp_path, DATASET)


def test_folders_that_cannot_be_read_are_listed(data_dir, tmp_path, monkeypatch):
    for name in ("digits", "family/letters", "shut", "family/closed"):
        shutil.copytree(data_dir / DATASET / "1.0.0", tmp_path / name / "1.0.0")
    shut = [tmp_path / "shut", tmp_path / "family/closed/1.0.0", tmp_path / "digits/1.0.0"]
    scan = os.scandir

    def scandir(path):
        if Path(path) in shut:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "listdir", lambda path: [entry.name for entry in scandir(path)])
    damages = {dataset.name: dataset.damage for dataset in listing.datasets(tmp_path)}
    assert list(damages) == ["digits", "family/closed", "family/letters", "shut"]
    assert damages.pop("family/letters") is None
    assert all("Permission denied" in damage for damage in damages.values())
    with pytest.raises(PermissionError):
        listing.newest(tmp_path, "shut")

"""What lies beside the shards of a dataset is what was written there, or it is named."""

import os
import shutil

import pytest

from digitline.base.errors import DataError
from digitline.data import inspect
from digitline.data.dataset import open_dataset

from support import DATASET, call, edit, perform, unsealed_dataset


@pytest.fixture
def folder(data_dir, tmp_path):
    return shutil.copytree(data_dir / DATASET, tmp_path / DATASET) / "1.0.0"


def reopened(folder):
    return open_dataset(folder.parents[1], DATASET)


def replaced(name, old, new):
    def replace(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return replace


def a_pipe(name):
    def make(folder):
        (path,) = folder.glob(name)
        path.unlink()
        os.mkfifo(path)

    return make


def without(name):
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("metadata.json"), r"metadata\.json does not exist"),
        (without("features.json"), r"features\.json does not exist"),
        (without("label.labels.txt"), r"label\.labels\.txt does not exist"),
        (
            replaced("metadata.json", '"split_seed": 0', '"split_seed": 1'),
            r"metadata\.json is not as digitlin",
        ),
        (replaced("metadata.json", "{", "["), r"metadata\.json is not valid JSON"),
        (replaced("label.labels.txt", "3", "8"), r"label\.labels\.txt is not what was written \("),
        (
            replaced("dataset_info.json", '"400"', '"399"'),
            r"dataset_info\.json is not what was wr",
        ),
        (replaced("features.json", "28", "29"), r"features\.json is not what was written"),
        (lambda folder: (folder / "features.json").write_text("[]"), "features.json holds a list"),
        (a_pipe("features.json"), r"features\.json is a pipe, not a file"),
        (a_pipe("*-test.tfrecord-00000-*"), r"test\.tfrecord-00000-of-00003 is a pipe, not a file"),
    ],
)
def test_damage_is_named(change, message, folder):
    change(folder)
    with pytest.raises(DataError, match=message):
        reopened(folder)


def test_a_dataset_of_the_last_release_opens(folder):
    unsealed_dataset(folder.parents[1])
    assert reopened(folder).metadata.fingerprint
    edit(folder / "metadata.json", lambda content: content.update(fingerprint=3))
    with pytest.raises(DataError, match=r"metadata\.json: fingerprint is 3, expected str.* again"):
        reopened(folder)


def test_inspect_verifies_the_last_byte(folder, tmp_path):
    flags = [f"--dataset={DATASET}", f"--data_dir={folder.parents[1]}", "--samples=0"]
    flags += ["--verify", f"--output_dir={tmp_path / 'charts'}"]
    (check,) = (each for each in call(inspect.COMMAND, flags)["checks"] if each["name"] == "files")
    assert check["passed"]
    assert check["details"].endswith("files are what was written")
    (shard,) = folder.glob("*-train.tfrecord-00001-*")
    content, size = shard.read_bytes(), shard.stat().st_size // 400
    first, second = content[200 * size : 201 * size], content[201 * size : 202 * size]
    shard.write_bytes(content[: 200 * size] + second + first + content[202 * size :])
    (error,) = perform(inspect.COMMAND, flags).errors
    assert f"not what was written: {shard} (sha256 " in error
    unsealed_dataset(folder.parents[1])
    assert any("is not recorded" in note for note in call(inspect.COMMAND, flags)["notes"])

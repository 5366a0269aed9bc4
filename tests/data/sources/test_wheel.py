import gzip
import hashlib
import os
import pickle
import zipfile

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.data.sources import wheel


@pytest.fixture
def write_wheel(tmp_path, monkeypatch):
    """Writes a wheel with that content, which counts as the known one."""

    def write(content):
        packed = gzip.compress(content)
        monkeypatch.setattr(wheel, "_SHA256", hashlib.sha256(packed).hexdigest())
        with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
            archive.writestr("mnist/data/mnist.pkl.gz", packed)
        return tmp_path / "a.whl"

    return write


def part(count, first):
    images = np.arange(first, first + count * 784, dtype=np.int64) % 256
    return (images.reshape(count, 784) / 256).astype(np.float32), np.arange(count) % 10


def test_bytes_come_back_exactly_and_in_order(write_wheel):
    content = pickle.dumps((part(5, 0), part(2, 5 * 784), part(3, 7)), protocol=4)
    splits = wheel.read_mnist(write_wheel(content))
    images, labels = splits["train"].images, splits["train"].labels
    assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (7, 28, 28, 1), np.int64)
    np.testing.assert_array_equal(images.ravel(), np.arange(7 * 784) % 256)
    np.testing.assert_array_equal(labels, [0, 1, 2, 3, 4, 0, 1])
    assert splits["test"].images.shape == (3, 28, 28, 1)


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


def test_rejects_a_pickle_that_would_run_code(write_wheel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_wheel(pickle.dumps(Attack()))
    with pytest.raises(DataError, match=r"refers to posix\.system"):
        wheel.read_mnist(path)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("content", [pickle.dumps(3), pickle.dumps((1, 2, 3)), b"no pickle"])
def test_rejects_other_content(content, write_wheel):
    with pytest.raises(DataError, match="not the wheel"):
        wheel.read_mnist(write_wheel(content))


def test_unpickles_nothing_but_what_is_known(write_wheel, monkeypatch):
    content = pickle.dumps((part(5, 0), part(2, 5 * 784), part(3, 7)), protocol=4)
    path = write_wheel(content)
    monkeypatch.undo()
    with pytest.raises(
        DataError, match=r"the SHA-256 of mnist/data/mnist\.pkl\.gz is \w+, expected"
    ):
        wheel.read_mnist(path)


def test_rejects_a_file_that_is_not_a_wheel(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"<html>")
    with pytest.raises(DataError, match="not the wheel"):
        wheel.read_mnist(tmp_path / "a.whl")

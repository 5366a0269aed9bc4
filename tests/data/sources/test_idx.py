import gzip
import re

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.data.sources import idx

from support import idx_bytes

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([3, 1], np.uint8)


def test_bytes_of_the_format():
    # From the format's description: magic number, dimensions, rows; big-endian.
    assert idx_bytes(LABELS) == bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 1])
    assert idx_bytes(IMAGES)[:16] == bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_what_was_written_plain_or_gzipped(pack, tmp_path):
    (tmp_path / "images").write_bytes(pack(idx_bytes(IMAGES)))
    (tmp_path / "labels").write_bytes(pack(idx_bytes(LABELS)))
    np.testing.assert_array_equal(idx.read_images(tmp_path / "images"), IMAGES)
    np.testing.assert_array_equal(idx.read_labels(tmp_path / "labels"), LABELS)


def test_real_images(testdata):
    images = idx.read_images(testdata / "train-images-idx3-ubyte.gz")
    labels = idx.read_labels(testdata / "train-labels-idx1-ubyte.gz")
    assert images.shape == (1200, 28, 28)
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]  # MNIST begins so.


HTML = b"<!DOCTYPE html><html><body>403 Forbidden</body></html>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx_bytes(IMAGES)[:-1], "truncated: its header announces 24 bytes of images"),
        (idx_bytes(IMAGES) + b"x", "too long: its header announces 24 bytes of images"),
        (idx_bytes(IMAGES)[:10], "truncated: expected a header of 16 bytes, got 10"),
        (b"", "truncated: expected a header of 16 bytes, got 0"),
        (idx_bytes(LABELS) + bytes(20), "expected the magic number 2051, got 2049, that of a file"),
        (b"PK\x03\x04" + bytes(40), "not an IDX file of images: expected the magic number 2051"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "damaged or truncated gzip"),
        (bytes([0, 0, 8, 3]) + b"\x80\0\0\0" * 2 + b"\0\0\0\4", "18,446,744,073,709,551,616 bytes"),
        (idx_bytes(IMAGES[:0]), "holds no images: its header says [0, 3, 4]"),
        (HTML, "an HTML page, not data"),
        (b"\n<html>\n<head>", "an HTML page, not data"),
        (gzip.compress(HTML, mtime=0), "an HTML page, not data"),
        (b"\xef\xbb\xbf<!-- c -->\n<HTML>", "an HTML page, not data"),
        (b"<head><title>Error</title>", "an HTML page, not data"),
    ],
)
def test_rejects_files_that_are_not_idx_images(content, message, tmp_path):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{re.escape(str(path))}: .*{re.escape(message)}"):
        idx.read_images(path)


def test_a_huge_header_does_not_allocate(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    with pytest.raises(DataError, match="truncated"):
        idx.read_images(path)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        idx.read_images(tmp_path / "none")

"""Small files that unpack to much: each reader refuses them, and says what it saw."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.base.pixels import numpy_file, unpacking
from digitline.data.preparation import archives
from digitline.data.sources import idx

from support import idx_bytes

MOST = 1 << 20
BLANK = bytes(3 * MOST)


@pytest.fixture(autouse=True)
def a_small_bound(monkeypatch):
    """1 MB is enough to see that it is kept."""
    monkeypatch.setattr(unpacking, "_ANY", MOST)


def made_idx(path):
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((3, 1024, 1024), np.uint8))))


def made_npz(path):
    np.savez_compressed(path, x_train=np.zeros((3, 1024, 1024), np.uint8), y_train=np.zeros(3))


def made_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"cat/{number}.png", BLANK[:MOST])


def made_tar(path):
    kind = path.suffix.removeprefix(".").replace("tar", "")
    with tarfile.open(path, f"w:{kind}") as archive:
        info = tarfile.TarInfo("cat/1.png")
        info.size = len(BLANK)
        archive.addfile(info, io.BytesIO(BLANK))


def unpack(path):
    archives.unpack(path, path.with_name("data"))


@pytest.mark.parametrize(
    ("name", "make", "read"),
    [
        ("train-images-idx3-ubyte.gz", made_idx, idx.read_images),
        ("images.npz", made_npz, numpy_file.read),
        ("pets.zip", made_zip, unpack),
        ("pets.tar.gz", made_tar, unpack),
        ("pets.tar.bz2", made_tar, unpack),
        ("pets.tar.xz", made_tar, unpack),
    ],
)
def test_refuses_a_file_that_unpacks_to_too_much(name, make, read, tmp_path):
    path = tmp_path / name
    make(path)
    size = path.stat().st_size
    assert size < len(BLANK) / 100
    with pytest.raises(DataError, match=rf"{path}: its {size:,} bytes unpack to [1-3],[0-9,]+ or"):
        read(path)
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["gz", ""])
def test_refuses_a_header_that_fills_the_memory(kind, tmp_path):
    """Python's tarfile reads a file's long name whole, however long it says that it is."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 7 << 30
    path = tmp_path / "pets.tar"
    path.write_bytes(gzip.compress(info.tobuf()) if kind else info.tobuf())
    with pytest.raises(DataError, match="a header in it states 7,516,192,768 bytes"):
        unpack(path)


def test_refuses_an_array_that_no_memory_holds(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 60,)}
    )
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    with pytest.raises(DataError, match=r"x_train: cannot be read as NumPy's arrays: .*allocate"):
        numpy_file.read(path)


def test_a_file_that_is_not_packed_may_be_of_any_size(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path, x_train=np.zeros((3, 1024, 1024), np.uint8))
    assert numpy_file.read(path)["x_train"].shape == (3, 1024, 1024)

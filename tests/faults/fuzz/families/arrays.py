"""NumPy's files, read to prepare them and to predict."""

import io
import random
import struct
import zipfile
from pathlib import Path

from digitline.base.pictures.config import PictureConfig
from digitline.data.sources.arrays import npz
from digitline.serving.prediction.arrays import ArrayFile
from digitline.serving.prediction.pictures import Wanted

from ..damage import mend_zip, odd
from ..target import Target

_NAMES = (
    *("x_train", "y_train", "x_val", "y_val", "x_test", "y_test", "images", "labels", "train_x"),
    *("label_names", "classes", "arr_0", "arr_1", "x_other", "é", "", "a/b", "n" * 300, "x_train"),
)
_TYPES = (
    *("|b1", "|i1", "<i2", ">i4", "<i8", "<u8", "<f2", ">f4", "<f8", "<f16", "<c8", "|S0", "|S2"),
    *("<U0", "<U2", ">U1", "|V3", "|O", "<M8[s]", "<m8", "none", "<U4294967295", "", "<f3"),
)
_HEADERS = (
    *("{'descr': '|u1'}", "{'shape': (", "[" * 500, "\0"),
    "{'descr': '|u1', 'fortran_order': 2, 'shape': (True,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999999999999,)}",
    "{'descr': [('a', '<i4'), ('b', '<U1')], 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 9L)}",
)


def member(descr: str, shape: tuple[int, ...], content: bytes, header: str = "") -> bytes:
    """A .npy file."""
    header = header or f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}"
    words = header.encode("latin1", "replace")
    words += b" " * ((-len(words) - 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(words) % 2**16) + words + content


def zipped(members: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of these."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name or "x"), content, packing)
    return file.getvalue()


def _array(chance: random.Random, count: int, is_images: bool) -> bytes:
    descr = odd(chance, "|u1", _TYPES, 0.3)
    usual = (count, 2, 2) if is_images else (count,)
    shape = odd(
        chance,
        usual,
        [(), (0,), (0, 2, 2), (count, 9), (count, 2), (2, 2, count), (count, 1, 2, 2), (count, 0)],
    )
    width = {"i8": 8, "u8": 8, "f8": 8, "f4": 4, "i4": 4, "U2": 8, "U1": 4, "f2": 2, "i2": 2}
    size = width.get(descr[1:], 1)
    for length in shape:
        size *= length
    size = odd(chance, size, (0, size + 1, max(0, size - 1)), 0.05)
    values = (0, 0, 0, 1, 1, 2, 9) if not is_images else (0, 1, 128, 255)
    content = (bytes(chance.choice(values) for _ in range(8)) * 50)[: min(size, 400)]
    if chance.random() < 0.1:
        content = chance.randbytes(len(content))
    return member(descr, shape, content, odd(chance, "", _HEADERS, 0.04))


def _build(chance: random.Random) -> bytes:
    if chance.random() < 0.05:
        return _array(chance, 3, True)
    members = {}
    splits = chance.choice((("train",), ("train", "test"), ("train", "val", "test")))
    for split in splits:
        count = chance.choice((2, 3, 3, 4))
        for kind, is_images in (("x", True), ("y", False)):
            name = odd(chance, f"{kind}_{split}", _NAMES)
            suffix = odd(chance, ".npy", ("", ".txt", ".npy.npy"), 0.03)
            members[name + suffix] = _array(chance, count, is_images)
    if chance.random() < 0.2:
        members["label_names.npy"] = member("<U1", (3,), "abc".encode("utf-32-le"))
    if chance.random() < 0.05:
        members["README"] = b"not an array"
    packing = odd(chance, zipfile.ZIP_STORED, (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2), 0.2)
    return zipped(members, packing)


def _seeds() -> list[bytes]:
    pictures = member("|u1", (4, 2, 2), bytes(range(16)))
    fractions = member("<f4", (4, 2, 2), struct.pack("<16f", *(n / 16 for n in range(16))))
    numbers = member("|u1", (4,), bytes([0, 1, 2, 1]))
    words = member("<U2", (4,), "a\0b\0a\0bc".encode("utf-32-le"))
    return [
        zipped({"x_train.npy": pictures, "y_train.npy": numbers}),
        zipped({"images.npy": fractions, "labels.npy": words}, zipfile.ZIP_DEFLATED),
    ]


def _prepare(path: Path) -> None:
    npz.read(path, lambda shapes: PictureConfig(shapes["train"]))


def _predict(path: Path) -> None:
    list(ArrayFile(path).read(Wanted(PictureConfig((2, 2, 1)))))


TARGET = Target("digits.npz", (_prepare, _predict), _seeds, _build, mend_zip)

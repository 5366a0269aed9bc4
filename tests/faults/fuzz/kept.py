"""Files that a reader once took badly, found by fuzzing or by reading the code for it."""

import io
import struct
import tarfile

import numpy as np
import PIL.Image

from digitline.base import tfrecord
from digitline.models.pretrained import imagenet

from .families.arrays import member, zipped

_LONG = 200_000
_EIGHT = "'fortran_order': False, 'shape': (8,)"


def _table(*cells: bytes, title: bytes = b"label") -> bytes:
    """A CSV file of 3x3 pixels; some cells in the place of the first pixel, row by row."""
    titles = b",".join([title, *(b"pixel%d" % index for index in range(9))])
    rows = (b"%d,%s" % (row % 2, b",".join([b"0"] * 9)) for row in range(6))
    odd = (b"%d,%s,%s" % (row % 2, cell, b",".join([b"0"] * 8)) for row, cell in enumerate(cells))
    return b"\n".join([titles, *rows, *odd, b""])


def _labels(*words: bytes) -> bytes:
    """The same, with these labels."""
    rows = (b"%s,%s" % (word, b",".join([b"0"] * 9)) for word in words * 6)
    return b"\n".join(rows)


def _npz(**others: bytes) -> bytes:
    members = {
        "x_train.npy": member("|u1", (2, 2, 2), bytes(range(8))),
        "y_train.npy": member("|u1", (2,), bytes([0, 1])),
    }
    return zipped({**members, **{f"{name}.npy": content for name, content in others.items()}})


def _tar(name: str, size: int, body: bytes = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def _picture(array: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, kind)
    return file.getvalue()


def _framed(length: int) -> bytes:
    """A record of another length than it states, by the right checksum."""
    head = struct.pack("<Q", length)
    return head + tfrecord.checksum(head) + b"content"


def _with_place(content: bytes, place: int) -> bytes:
    """A zip file that states, in its form for large ones, where its directory begins."""
    end = content.rindex(b"PK\x05\x06")
    count = struct.unpack_from("<H", content, end + 8)[0]
    size = struct.unpack_from("<I", content, end + 12)[0]
    large = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, place)
    where = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    last = content[end : end + 12] + b"\xff" * 8 + content[end + 20 :]
    return content[:end] + large + where + last


KEPT = {
    "idx": {
        "a product of sizes that is 0 in 64 bits": struct.pack(">4I", 2051, 2**31, 2**31, 4),
        "no images of a large size": struct.pack(">4I", 2051, 0, 2**32 - 1, 2**32 - 1),
    },
    "csv": {
        "an end of a line beside quotes": _table(b'"1"\r'),
        "a cell in quotes of 180 KB": b"".join(
            b'%d,"%s"\n' % (row % 2, b" ".join([b"7"] * 300**2)) for row in range(4)
        ),
        "labels that Python did not print": _labels(b"b'\\xzz'", b"b'\\'", b"a"),
        "labels that a float does not hold": _labels(b"1e308", b"9007199254740993.0", b"1"),
        "a title with a long number": _table(title=b"p" + b"9" * 5000),
        "a long title": _table(title=b"a" * _LONG),
        "a long number that is none": _table(b"1" * _LONG + b"x"),
        "a long cell of dots": b"".join(
            b"%d;%s\n" % (row % 2, b" ".join([b"1"] * 9) + b"." * _LONG + b"x") for row in range(6)
        ),
        "blanks that float() does not know": _table(b"2.5" + b"\x1c" * 9, b"x"),
        "an empty cell of all pixels": b"".join(
            b"%d;%s\n" % (row % 2, b" ".join([b"12"] * 9) if row else b" [ ]") for row in range(6)
        ),
    },
    "csv of names": {
        "a path of 50,000 folders": (
            b"file,label\na.png,cat\nb.png,dog\n" + b"a/" * 50_000 + b"c,cat"
        ),
    },
    "npz": {
        "characters beyond Unicode": _npz(label_names=member("<U1", (2,), b"\xff" * 8)),
        "a member that is no array": zipped({"x_train.npy": b"picture", "README": b"words"}),
        "a name of two lines": zipped({"x\ntrain.npy": member("|u1", (2,), b"")}),
        "an empty array beside others": _npz(x_test=member("|u1", (0, 2, 2), b"")),
        "a large number beside names": _npz(
            y_train=member("<U1", (2,), "ab".encode("utf-32-le")),
            x_test=member("|u1", (2, 2, 2), bytes(8)),
            y_test=member("<u4", (2,), struct.pack("<2I", 2**31 - 1, 0)),
        ),
        "labels of NaN that is a signal": _npz(
            x_val=member("|u1", (2, 2, 2), bytes(8)),
            y_val=member("<f2", (2,), b"\0\0\x84\x7d"),
        ),
        "labels that are infinite": _npz(
            x_val=member("|u1", (2, 2, 2), bytes(8)),
            y_val=member("<f2", (2,), struct.pack("<2e", 0.0, float("inf"))),
        ),
        "one-hot rows beyond their type": _npz(
            x_val=member("|u1", (2, 2, 2), bytes(8)),
            y_val=member("<f2", (2, 2), struct.pack("<4e", 65504, 65504, 0, 1)),
        ),
        "two arrays of other types under one name": _npz(
            train_x=member("", (), bytes(32), f"{{'descr': [('a', '<i4')], {_EIGHT}}}")
        ),
        "a directory beyond what a file can have": _with_place(_npz(), 2**64 - 1),
    },
    "pictures": {
        "pixels that are not numbers": _picture(np.full((4, 4), np.nan, np.float32), "TIFF"),
        "pixels far below 0": _picture(np.array([[1, -3e38]], np.float32), "TIFF"),
        "sides that differ too much to be cropped": _picture(
            np.zeros((1, 1_000_000), np.uint8), "PNG"
        ),
    },
    "archives": {
        "a size below 0": _tar("a", -512) + _tar("b", 0),
        "a sparse file that leads backwards": _tar("a", -512, kind=b"S") + _tar("b", 0),
        "a name with a zero byte": _tar("x", 11, b"11 path=a\0\n", b"x") + _tar("b", 0),
        "a name that is too long": _tar("n" * 300, 0),
        "a file and a folder of one name": _tar("a", 0) + _tar("a/b", 0),
        "a directory beyond what a file can have": _with_place(zipped({"a": b"a"}), 2**64 - 1),
    },
    "tfrecords": {
        "a record of a petabyte": _framed(2**50) * 3,
        "a record that is no message": tfrecord.framed(b"\x0a\xff") * 3,
    },
    "wheels": {
        "a directory beyond what a file can have": _with_place(
            zipped({imagenet._MEMBER: b"a"}), 2**64 - 1
        ),
        "a name that is no text": zipped({"é": b"a"}).replace("é".encode(), b"\xff\xff"),
    },
}

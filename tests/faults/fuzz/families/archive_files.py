"""Archives of pictures: zip and tar files, packed and not."""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import tarfile
import zipfile
from pathlib import Path

from digitline.data.preparation import archives

from ..damage import mend_zip, odd
from ..target import Target

_NAMES = (
    *("../x.png", "/x.png", "a/../../x", "a", "a/b", ".", "", "n" * 300, "é.png", "a\\b.png"),
    *("pax\nname", "a//b", "a/" * 60 + "x", " ", "con\x01", "x\0y"),
)
_TYPES = (b"1", b"2", b"3", b"5", b"6", b"7", b"x", b"g", b"L", b"K", b"S", b"\0", b"V", b"?")
_PAX = (
    b"10 path=a\n",
    b"99999999999 path=b\n",
    b"22 GNU.sparse.size=-9\n",
    b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n",
    b"24 GNU.sparse.map=0,1,x\n",
    b"13 size=-512\n",
    b"11 path=a\0\n",
)
_BLOCK, _CHECKSUM = 512, slice(148, 156)


def _zip(chance: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        names = {odd(chance, f"cat/{n}.png", _NAMES) for n in range(chance.choice((0, 1, 3)))}
        for name in sorted(names):
            info = zipfile.ZipInfo(name or "x")
            info.external_attr = odd(chance, 0o644, (0o120777, 0o40755)) << 16
            archive.writestr(info, b"picture", odd(chance, 0, (8, 12, 14)))
    return file.getvalue()


def _tar(chance: random.Random) -> bytes:
    content = b""
    for n in range(chance.choice((0, 1, 2, 3))):
        info = tarfile.TarInfo(odd(chance, f"cat/{n}.png", _NAMES))
        info.type = odd(chance, tarfile.REGTYPE, _TYPES, 0.25)
        body = odd(chance, b"picture", (b"", *_PAX), 0.2)
        info.size = odd(chance, len(body), (0, 5000, 2**33, 2**62))
        block = info.tobuf(chance.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)))
        if chance.random() < 0.05:  # A size below 0, as base 256 has it.
            block = block[:124] + b"\xff" * 10 + b"\xfe\0" + block[136:]
        content += block + body + bytes(-len(body) % _BLOCK)
    content = _mend_tar(content + bytes(2 * _BLOCK))
    packed = odd(chance, bytes, (gzip.compress, bz2.compress, lzma.compress), 0.2)
    return packed(content)


def _build(chance: random.Random) -> bytes:
    return chance.choice((_zip, _tar))(chance)


def _mend_tar(data: bytes) -> bytes:
    """The right checksum in each block that is a header."""
    content = bytearray(data)
    for start in range(0, len(data) - _BLOCK + 1, _BLOCK):
        block = content[start : start + _BLOCK]
        if block[257:262] == b"ustar":
            block[_CHECKSUM] = b" " * 8
            block[_CHECKSUM] = b"%06o\0 " % sum(block)
            content[start : start + _BLOCK] = block
    return bytes(content)


def _mend(data: bytes) -> bytes:
    return mend_zip(data) if data.startswith(b"PK") else _mend_tar(data)


def _seeds() -> list[bytes]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("pets/cat/1.png", b"picture")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("pets/cat/1.png")
        info.size = 7
        archive.addfile(info, io.BytesIO(b"picture"))
    return [file.getvalue(), tar.getvalue()[:2048], gzip.compress(tar.getvalue())]


def _unpack(path: Path) -> None:
    folder = path.parent / "unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    before = {*os.listdir(path.parent)}
    try:
        archives.unpack(path, folder)
    finally:
        beside = {*os.listdir(path.parent)} - before - {folder.name}
        assert not beside, f"written outside of the folder: {beside}"


TARGET = Target("pictures.zip", (_unpack,), _seeds, _build, _mend, largest=8192)

"""Damage to a file's bytes, by chance, and odd values for the fields of any format."""

import random
import struct
import zlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# Where numbers of 1 to 8 bytes, with and without a sign, end and begin.
NUMBERS = (
    *(0, 1, 2, 3, 4, 7, 8, 9, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 10**6),
    *(2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
)
_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


def odd(chance: random.Random, usual: T, others: Sequence[T], share: float = 0.15) -> T:
    """The usual value for the most part, else one of the others."""
    return chance.choice(others) if chance.random() < share else usual


def number(chance: random.Random, size: int, signed: bool = False) -> int:
    """A number at an edge that a field of so many bytes can hold."""
    value = chance.choice(NUMBERS) % 2 ** (8 * size)
    return value - 2 ** (8 * size) if signed and value >= 2 ** (8 * size - 1) else value


def damaged(chance: random.Random, data: bytes) -> bytes:
    """A file with some damages, or none."""
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 4))):
        data = chance.choice(_WAYS)(chance, data)
    return data


def _flip(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data) + 1)
    return (
        data[:place]
        + bytes(byte ^ 1 << chance.randrange(8) for byte in data[place:][:1])
        + (data[place + 1 :])
    )


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _without(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start + chance.choice((1, 4, 16, 100)) :]


def _twice(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    end = start + chance.choice((1, 4, 16, 100))
    return data[:end] + data[start:]


def _other(chance: random.Random, data: bytes) -> bytes:
    """A number at an edge, in either order of bytes."""
    size = chance.choice((1, 2, 4, 8))
    place = chance.randrange(len(data) + 1)
    value = number(chance, size).to_bytes(size, chance.choice(("little", "big")))
    return data[:place] + value + data[place + size :]


def _noise(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.randbytes(chance.choice((1, 3, 20))) + data[place:]


_WAYS = (_flip, _cut, _without, _twice, _other, _other, _noise)


def mend_zip(data: bytes) -> bytes:
    """A zip file with the right checksum for each member that is not packed."""
    content = bytearray(data)
    # Where the archive begins, if something lies before it.
    end = data.rfind(_END)
    known = 0 <= end <= len(data) - 20
    shift = data.find(_CENTRAL) - struct.unpack_from("<I", data, end + 16)[0] if known else 0
    place = data.find(_CENTRAL)
    while place >= 0 and place + 46 <= len(data):
        method, size = struct.unpack_from("<H8xI", data, place + 10)
        start = shift + struct.unpack_from("<I", data, place + 42)[0]
        is_there = start >= 0 and data.startswith(_LOCAL, start) and start + 30 <= len(data)
        if method == 0 and is_there:
            begin = start + 30 + sum(struct.unpack_from("<HH", data, start + 26))
            checksum = zlib.crc32(data[begin : begin + size])
            struct.pack_into("<I", content, place + 16, checksum)
            struct.pack_into("<I", content, start + 14, checksum)
        place = data.find(_CENTRAL, place + 4)
    return bytes(content)

"""A slice of a source to TFRecord files: what each worker does, without TensorFlow.

TensorFlow's own writer would cost every worker seconds and hundreds of megabytes.
"""

import dataclasses
import functools
import hashlib
import struct
import uuid
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...base.errors import DataError
from ...base.examples import image_example
from ..sources.slices import Damaged, Source

# What a record takes in the file beside its content, in bytes.
FRAME_BYTES = 16
# A record's digest is added to the others' modulo this: in any order, in any
# number of parts, the sum is the same. (M. Bellare, D. Micciancio, "A New
# Paradigm for Collision-Free Hashing", EUROCRYPT 1997: AdHash.)
MODULUS = 2**256
# CRC-32C's polynomial, its bits reversed, and the bytes that are looked up at once.
_POLYNOMIAL, _BLOCK = 0x82F63B78, 1024
_ROWS = 256 * np.arange(_BLOCK)


@dataclasses.dataclass
class WrittenSlice:
    """What a worker wrote.

    Attributes:
      counts: the number of examples by split.
      paths: of the shard by split, under its name for now.
      digest: the sum of the records' digests.
      damaged: what could not be read.
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    digest: int = 0
    damaged: list[str] = dataclasses.field(default_factory=list)


def write_slice(source: Source, folder: Path, max_damaged: int, index: int) -> WrittenSlice:
    """Writes the shards of a slice, one of each split.

    Their names are of this attempt only: a cluster may make several at once.

    Raises:
      DataError: more than `max_damaged` examples cannot be read.
      OSError: a file cannot be read or written.
    """
    attempt = uuid.uuid4().hex[:12]
    written = WrittenSlice()
    files: dict[str, BinaryIO] = {}
    try:
        for example in source.read(index):
            if isinstance(example, Damaged):
                written.damaged.append(example.cause)
                refuse_damaged(written.damaged, max_damaged)  # Whatever the other slices hold.
                continue
            split = example.split
            if split not in files:
                written.paths[split] = folder / f"{split}.{index}.{attempt}.part"
                files[split] = open(written.paths[split], "wb")  # noqa: SIM115 (closed at the end)
                written.counts[split] = 0
            pixels = example.image.tobytes()
            files[split].write(framed(image_example(pixels, example.label)))
            written.counts[split] += 1
            content = hashlib.sha256(f"{split} {example.label} ".encode() + pixels).digest()
            written.digest = (written.digest + int.from_bytes(content, "big")) % MODULUS
        for file in files.values():
            file.close()
    except OSError as error:
        if error.filename is None:  # A write that fails does not know its file.
            error.filename = str(folder)
        raise
    return written


def refuse_damaged(damaged: list[str], allowed: int) -> None:
    """Refuses more examples that cannot be read than are allowed.

    Raises:
      DataError: names the first, and how to go on without them.
    """
    if len(damaged) > allowed:
        others = f" (and {allowed} before it)" if allowed else ""
        raise DataError(
            f"{damaged[allowed]}{others}; mend or remove it, or leave out up to N such files or "
            "rows with --max_corrupt_images=N",
            option="max_corrupt_images",
        )


def framed(record: bytes) -> bytes:
    """A record as a TFRecord file holds it: length, its checksum, content, its checksum.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord.
    """
    return _length(len(record)) + record + _masked(crc32c(record))


@functools.lru_cache(maxsize=256)
def _length(length: int) -> bytes:
    encoded = struct.pack("<Q", length)
    return encoded + _masked(crc32c(encoded))


def _masked(checksum: int) -> bytes:
    rotated = checksum >> 15 | checksum << 17
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(content: bytes) -> int:
    """CRC-32C (Castagnoli; RFC 3720, appendix B.4) of four bytes or more.

    The checksum is linear: each byte's share depends only on its value and its distance from
    the end, and is looked up; the shares are added by exclusive or.
    """
    table = _byte_shares()
    padding = -len(content) % _BLOCK  # Zeros in front change nothing.
    padded = np.frombuffer(bytes(padding) + content, np.uint8).copy()
    padded[padding : padding + 4] ^= 0xFF  # The register begins with all bits set.
    shares = table.ravel().take(_ROWS + padded.reshape(-1, _BLOCK))
    register = 0
    for block in np.bitwise_xor.reduce(shares, axis=1).tolist():
        # What the earlier blocks left adds to the next one's first four bytes.
        for place in range(4):
            block ^= int(table[place, register >> 8 * place & 0xFF])
        register = block
    return register ^ 0xFFFFFFFF


@functools.cache
def _byte_shares() -> np.ndarray:
    """uint32 [_BLOCK, 256]: a byte's share of the checksum by its place in a block."""
    shares = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        shares = shares >> np.uint32(1) ^ np.where(shares & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    table = np.empty((_BLOCK, 256), np.uint32)
    last = table[-1] = shares
    for place in range(_BLOCK - 2, -1, -1):  # One zero byte more behind it.
        table[place] = table[place + 1] >> np.uint32(8) ^ last[table[place + 1] & 0xFF]
    return table

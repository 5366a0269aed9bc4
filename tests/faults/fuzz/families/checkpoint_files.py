"""Checkpoints with a record that agrees with them: what TensorFlow's reader makes of odd ones.

A file here is the index, its length before it, and the data. Damage to a checkpoint of ours is seen
by its digests (`tests/models/training/test_checkpoints.py`); here a forger has written these too.
"""

import functools
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

from digitline.base import files, tfrecord
from digitline.base.storage import records

from ..damage import damaged
from ..target import Target

_NAME, _STEP, _RUN = "ckpt", 1, "of-the-fuzzer"
_PARTS = (".index", ".data-00000-of-00001")
# An SSTable ends with two handles, padded, and a magic number; each block, with its type and a
# checksum of both. Source: https://github.com/google/leveldb/blob/main/doc/table_format.md.
_FOOTER, _TRAILER = 48, 5


@functools.cache
def _checkpoints(folder: Path) -> Any:
    from digitline.base.tf import tf
    from digitline.models.training.checkpoints import Checkpoints

    state = {"weights": [tf.Variable([[1.0, 2.0]]), tf.Variable(3)], "step": tf.Variable(0)}
    return Checkpoints(folder, _NAME, 2, _RUN, **state)


@functools.cache
def _sound() -> bytes:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        _checkpoints(folder).save(_STEP)
        index, data = ((folder / f"{_NAME}-{_STEP}{part}").read_bytes() for part in _PARTS)
    return _joined(index, data)


def _joined(index: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(index)) + index + data


def _parted(content: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(content[:4], "big")
    return content[4 : 4 + size], content[4 + size :]


def _build(chance: random.Random) -> bytes:
    index, data = _parted(_sound())
    if chance.random() < 0.7:
        index = damaged(chance, index)
    return _joined(index, damaged(chance, data) if chance.random() < 0.3 else data)


def _seeds() -> list[bytes]:
    return [_sound()]


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = shift = 0
    while True:
        value |= (content[place] & 127) << shift
        place, shift = place + 1, shift + 7
        if not content[place - 1] & 128:
            return value, place


def _handles(block: bytes) -> list[tuple[int, int]]:
    """The blocks that an index block names, as (start, size)."""
    handles, place = [], 0
    end = len(block) - 4 - 4 * struct.unpack_from("<I", block, len(block) - 4)[0]
    while place < end:
        _, place = _varint(block, place)
        own, place = _varint(block, place)
        size, place = _varint(block, place)
        place += own
        start, after = _varint(block, place)
        handles.append((start, _varint(block, after)[0]))
        place += size
    return handles


def _mend(content: bytes) -> bytes:
    """The right checksum in each block of the index, as far as its blocks are found."""
    index, data = map(bytearray, _parted(content))
    try:
        meta, place = _varint(index, len(index) - _FOOTER)
        meta_size, place = _varint(index, place)
        start, place = _varint(index, place)
        size, _ = _varint(index, place)
        blocks = [(meta, meta_size), (start, size), *_handles(bytes(index[start : start + size]))]
        for begin, length in blocks:
            end = begin + length + 1
            if end + _TRAILER - 1 <= len(index):
                index[end : end + 4] = tfrecord.checksum(bytes(index[begin:end]))
    except (IndexError, struct.error):
        return content
    return _joined(bytes(index), bytes(data))


def _restore(path: Path) -> None:
    folder = path.parent / "checkpoints"
    files.ensure_folder(folder)
    digests = {}
    for part, content in zip(_PARTS, _parted(path.read_bytes()), strict=True):
        file = folder / f"{_NAME}-{_STEP}{part}"
        file.write_bytes(content)
        digests[file.name] = files.sha256(file)
    record = folder / f"{_NAME}-{_STEP}.json"
    records.write(record, {"step": _STEP, "sha256": digests}, _RUN)
    _checkpoints(folder).restore()


TARGET = Target("checkpoint", (_restore,), _seeds, _build, _mend, examples=8, largest=8192)

"""Checkpoints with a record that agrees with them: what TensorFlow's reader makes of odd ones.

A file here is the index, its length before it, and the data. Damage to a checkpoint of ours is seen
by its digests (`tests/models/training/test_checkpoints.py`); here these are of the damaged files.
(Whoever writes TensorFlow's checksums anew, too, ends the process by one of its assertions.)
"""

import functools
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

from digitline.base import files
from digitline.base.storage import records

from ..damage import damaged
from ..target import Target

_NAME, _STEP, _RUN = "ckpt", 1, "of-the-fuzzer"
_PARTS = (".index", ".data-00000-of-00001")


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


TARGET = Target("checkpoint", (_restore,), _seeds, _build, examples=8, largest=8192)

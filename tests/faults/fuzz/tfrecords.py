"""TFRecord files: read by our own reader, and by TensorFlow's as training does."""

import functools
import random
import struct
from pathlib import Path
from typing import Any

from digitline.base import tfrecord

from .damage import damaged, number, odd
from .target import Target

_SHAPE, _RECORDS = (2, 2, 1), 3
_TAGS = b"\x08\x0a\x0d\x12\x1a\x22\x0b\x09\x15\x00\xff"
# 2x2 pixels: of GIF the smallest file, of BMP one that states much.
_GIF = b"GIF89a\2\0\2\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\2\0\2\0\0\2\2\x84\x51\0;"
_BMP = (
    b"BM"
    + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0)
    + bytes(16)
)


def _example(chance: random.Random) -> bytes:
    pixels = chance.randbytes(odd(chance, 4, (0, 3, 5, 100)))
    picture = odd(chance, pixels, (damaged(chance, _GIF), damaged(chance, _BMP), b"\x89PNG"), 0.3)
    label = odd(chance, chance.randrange(2), (None, 7, 2**31, 2**63 - 1))
    content = tfrecord.image_example(picture, label)
    if chance.random() < 0.2:
        content = damaged(chance, content)
    if chance.random() < 0.05:  # Fields that nobody knows, or in one another without end.
        content += bytes(chance.choice(_TAGS) for _ in range(9)) * chance.choice((1, 30))
    return content


def _build(chance: random.Random) -> bytes:
    content = b""
    for _ in range(odd(chance, _RECORDS, (0, 1, 2, 4))):
        record = _example(chance)
        framed = tfrecord.framed(record)
        if chance.random() < 0.04:  # Another length, with the right checksum.
            length = struct.pack("<Q", number(chance, 8))
            framed = length + tfrecord.checksum(length) + framed[12:]
        content += framed
    return content


def _mend(data: bytes) -> bytes:
    """The right checksum of each length and content."""
    content, place = bytearray(data), 0
    while place + 12 <= len(data):
        content[place + 8 : place + 12] = tfrecord.checksum(data[place : place + 8])
        end = place + 12 + struct.unpack_from("<Q", data, place)[0]
        if end + 4 > len(data):
            break
        content[end : end + 4] = tfrecord.checksum(data[place + 12 : end])
        place = end + 4
    return bytes(content)


def _seeds() -> list[bytes]:
    records = (tfrecord.image_example(bytes([n] * 4), n % 2) for n in range(_RECORDS))
    return [b"".join(map(tfrecord.framed, records))]


def _contents(path: Path) -> None:
    contents = list(tfrecord.contents(path, _RECORDS))
    assert len(contents) == _RECORDS


FRAMES = Target("digits-train.tfrecord", (_contents,), _seeds, _build, _mend, examples=20)


@functools.cache
def _split(path: Path, encoding: str) -> Any:
    """The split of a dataset whose one file it is."""
    from digitline.data.dataset import Dataset, Split
    from digitline.data.metadata import Metadata
    from digitline.data.shards import Shard

    dataset = Dataset("digits", path.parent, _SHAPE, encoding, ("a", "b"), None, Metadata())
    return Split(dataset, "train", (Shard(str(path), range(_RECORDS), whole=True),))


def _read_as(encoding: str, path: Path) -> None:
    """As training and evaluation do it."""
    from digitline.data.pipeline import records, salvage

    (split,), _ = salvage.usable([_split(path, encoding)], 0, path.parent)
    images = sum(len(labels) for _, labels in records.decoded(split, batch_size=2))
    assert images == _RECORDS


def _raw(path: Path) -> None:
    _read_as("raw", path)


def _pictures(path: Path) -> None:
    _read_as("encoded", path)


def _labels(path: Path) -> None:
    from digitline.data import by_class

    labels = by_class.labels_of(_split(path, "raw").shards)
    assert len(labels) == _RECORDS


def _salvaged(path: Path) -> None:
    from digitline.data.pipeline import salvage

    with salvage.sound([_split(path, "raw")], _RECORDS) as (splits, lost):
        assert splits[0].examples + len(lost) == _RECORDS


def _as_source(path: Path) -> None:
    """As a copy of a dataset is prepared."""
    from digitline.data.sources import tfds_folder

    assert len(list(tfds_folder._examples(_split(path, "encoded").shards[0]))) == _RECORDS


RECORDS = Target(
    "digits-train.tfrecord",
    (_raw, _labels, _salvaged, _pictures, _as_source),
    _seeds,
    _build,
    _mend,
    examples=8,
)

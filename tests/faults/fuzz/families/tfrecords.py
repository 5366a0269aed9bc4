"""TFRecord files: read by our own reader, and by TensorFlow's as training does."""

import functools
import io
import random
import struct
from pathlib import Path
from typing import Any

import PIL.Image

from digitline.base import tfrecord

from ..damage import damaged, number, odd
from ..target import Target

# Of an image, where records hold pixels or pictures.
_SHAPES = {"raw": (2, 2, 1), "encoded": (2, 2, 3)}
_RECORDS = 3
_TAGS = b"\x08\x0a\x0d\x12\x1a\x22\x0b\x09\x15\x00\xff"


@functools.cache
def _picture(kind: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (2, 2), "red").save(file, kind)
    return file.getvalue()


def _image(chance: random.Random, encoding: str) -> bytes:
    if encoding == "encoded":
        kind = chance.choice(("PNG", "JPEG", "GIF", "BMP", "BMP"))
        return damaged(chance, _picture(odd(chance, kind, ("WEBP", "TIFF"), 0.05)))
    return chance.randbytes(odd(chance, 4, (0, 3, 5, 100)))


def _build(encoding: str, chance: random.Random) -> bytes:
    content = b""
    for _ in range(odd(chance, _RECORDS, (0, 1, 2, 4))):
        label = odd(chance, chance.randrange(2), (None, 7, 2**31, 2**63 - 1))
        record = tfrecord.image_example(_image(chance, encoding), label)
        if chance.random() < 0.1:
            record = damaged(chance, record)
        if chance.random() < 0.05:  # Fields that nobody knows, or in one another without end.
            record += bytes(chance.choice(_TAGS) for _ in range(9)) * chance.choice((1, 30))
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


def _picture_seeds() -> list[bytes]:
    records = (tfrecord.image_example(_picture(kind), 1) for kind in ("PNG", "JPEG", "GIF", "BMP"))
    return [tfrecord.framed(record) * _RECORDS for record in records]


def _contents(path: Path) -> None:
    contents = list(tfrecord.contents(path, _RECORDS))
    assert len(contents) == _RECORDS
    tfrecord.overlong(path)


@functools.cache
def _split(path: Path, encoding: str) -> Any:
    """The split of a dataset whose one file it is."""
    from digitline.data.dataset import Dataset, Split
    from digitline.data.metadata import Metadata
    from digitline.data.shards import Shard

    shape = _SHAPES[encoding]
    dataset = Dataset("digits", path.parent, shape, encoding, ("a", "b"), None, Metadata())
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


_FILE = "digits-train.tfrecord"
_build_raw, _build_pictures = (functools.partial(_build, encoding) for encoding in _SHAPES)
FRAMES = Target(_FILE, (_contents,), _seeds, _build_raw, _mend, examples=20)
RECORDS = Target(
    _FILE, (_raw, _labels, _salvaged, _as_source), _seeds, _build_raw, _mend, examples=8
)
PICTURES = Target(_FILE, (_pictures,), _picture_seeds, _build_pictures, _mend, examples=8)

"""IDX files, plain and gzipped."""

import gzip
import math
import random
import struct
from pathlib import Path

from digitline.data.sources import idx

from ..damage import NUMBERS, odd
from ..target import Target

_IMAGES, _LABELS = 2051, 2049
_SIZES = [size for size in NUMBERS if size < 2**32]


def _build(chance: random.Random) -> bytes:
    magic = odd(chance, chance.choice((_IMAGES, _LABELS)), (2050, 2052, 0xD03, 0, 2**32 - 1))
    dimensions = {_IMAGES: 3, _LABELS: 1}.get(magic, chance.randrange(5))
    shape = [odd(chance, chance.randrange(1, 5), _SIZES) for _ in range(dimensions)]
    # Of sizes that no file has, as many values as are left of their number in 64 bits.
    values = min(math.prod(shape) % 2**64, 200)
    values = odd(chance, values, (0, values + 1, max(0, values - 1)))
    data = struct.pack(f">I{dimensions}I", magic, *shape) + chance.randbytes(values)
    return gzip.compress(data, mtime=0) if chance.random() < 0.3 else data


def _seeds() -> list[bytes]:
    images = struct.pack(">4I", _IMAGES, 2, 2, 3) + bytes(12)
    return [images, gzip.compress(images, mtime=0)]


TARGET = Target("train-images-idx3-ubyte", (idx.read_images,), _seeds, _build)


def _label_seeds() -> list[bytes]:
    return [struct.pack(">2I", _LABELS, 5) + bytes(5)]


def _read_labels(path: Path) -> None:
    labels = idx.read_labels(path)
    assert labels.ndim == 1


LABELS = Target("train-labels-idx1-ubyte", (_read_labels,), _label_seeds, _build, examples=20)

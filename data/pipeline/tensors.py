"""Gigabytes of images as one tensor, of which no copy is made.

tf.data copies a tensor that a stream captures, to optimize its graph, unless `AS_IT_IS` forbids it;
TensorFlow copies what its own op for files maps.
"""

import math
import mmap
from pathlib import Path

import numpy as np

from ...base.tf import tf


def _as_it_is() -> tf.data.Options:
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return options


# Options of a stream that captures such a tensor.
AS_IT_IS = _as_it_is()


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Memory for uint8 values, in pages that are taken when they are written to."""
    return np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)


def mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The beginning of a file as uint8 values, in pages that are read when they are looked at.

    Raises:
      OSError: it cannot be mapped into memory.
    """
    # Of the modes, the one of pages that are never written back and that DLPack takes.
    return np.memmap(path, np.uint8, "c", shape=shape)


def of(values: np.ndarray) -> tf.Tensor:
    """A tensor in the memory of what `empty` or `mapped` gave, which must not change any more."""
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())

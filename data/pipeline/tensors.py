"""Gigabytes of images as one tensor, of which no copy is made.

tf.data copies a tensor that a stream captures, to optimize its graph, unless `AS_IT_IS` forbids it;
TensorFlow copies what its own op for files maps.
"""

import math
import mmap
import os
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.tf import tf

_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def _as_it_is() -> tf.data.Options:
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return options


# Options of a stream that captures such a tensor.
AS_IT_IS = _as_it_is()


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Memory for uint8 values, in pages that are taken when they are written to."""
    return np.frombuffer(mmap.mmap(-1, math.prod(shape), _PRIVATE), np.uint8).reshape(shape)


def mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The beginning of a file as uint8 values, in pages that are read when they are looked at.

    Raises:
      OSError: it cannot be mapped into memory.
    """
    with open(path, "rb") as file:
        # Of the modes, the one of pages that are never written back and that DLPack takes.
        pages = mmap.mmap(file.fileno(), math.prod(shape), access=mmap.ACCESS_COPY)
    if len(pages) > _memory_bytes() and hasattr(mmap, "MADV_RANDOM"):
        progress.say(
            f"{path} ({len(pages) / 1e9:.1f} GB) is larger than memory: images are read as they "
            "come, at the disk's pace"
        )
        pages.madvise(mmap.MADV_RANDOM)  # Else 32 pages are read, and lost again, for each image.
    return np.frombuffer(pages, np.uint8).reshape(shape)


def _memory_bytes() -> int:
    """The memory of this machine, or of the control group (a container's) if that has less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    groups = Path("/proc/self/cgroup")
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, kinds, group = line.split(":", 2)
        if kinds in ("", "memory"):
            root = Path("/sys/fs/cgroup", kinds)
            name = "memory.limit_in_bytes" if kinds else "memory.max"
            for path in (root / group.lstrip("/") / name, root / name):  # A container sees its own.
                if path.is_file() and (limit := path.read_text().strip()).isdigit():
                    limits.append(int(limit))
    return min(limits)


def of(values: np.ndarray) -> tf.Tensor:
    """A tensor in the memory of what `empty` or `mapped` gave, which must not change any more."""
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())

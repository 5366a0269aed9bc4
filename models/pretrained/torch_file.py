"""Weights as torch wrote them before version 1.6, read without torch.

The file holds five pickles: a magic number, the version of the form, facts of the machine, the
tensors by name, and the keys of their storages. The storages follow in that order: of each an int64
that counts its values, and the values, little-endian.
"""

import io
from collections.abc import Iterable

import numpy as np

from ...base.errors import DataError
from . import torch_pickle
from .torch_pickle import Storage, Tensor

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_COUNT_BYTES = 8
_MOST_AXES = 8


def read(content: bytes, origin: object) -> dict[str, np.ndarray]:
    """Reads all tensors of a file.

    Args:
      content: of the file.
      origin: what an error calls it.

    Returns:
      By name, in the file's order, float32 or int64: views of `content`, not writeable. Nothing is
      allocated that the file does not have bytes for.

    Raises:
      DataError: it is something else, is not complete, or a tensor does not lie in its storage.
    """
    try:
        return _read(content)
    except (ValueError, LookupError) as error:
        raise DataError(f"{origin}: not weights as torch wrote them: {error}") from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(content)
    if (torch_pickle.load(file), torch_pickle.load(file)) != (_MAGIC, _VERSION):
        raise ValueError("it does not begin as these do")
    machine, tensors, keys = (torch_pickle.load(file) for _ in range(3))
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("its numbers are not little-endian")
    if not isinstance(tensors, dict) or not isinstance(keys, list):
        raise ValueError("it holds no tensors by name")
    described = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}
    if len(described) < len(tensors):
        raise ValueError("it holds something that is not a tensor")
    storages = _by_key(tensor.storage for tensor in described.values())
    if not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise ValueError("its storages are not those of its tensors")
    values = _values(content, file.tell(), [storages[key] for key in keys])
    return {name: _array(tensor, values[tensor.storage.key]) for name, tensor in described.items()}


def _by_key(storages: Iterable[Storage]) -> dict[str, Storage]:
    by_key: dict[str, Storage] = {}
    for storage in storages:
        if by_key.setdefault(storage.key, storage) != storage:
            raise ValueError("two tensors disagree about their storage")
    return by_key


def _values(content: bytes, start: int, storages: Iterable[Storage]) -> dict[str, np.ndarray]:
    """The values of storages that follow one another, up to the end of the file."""
    values = {}
    for storage in storages:
        count = int.from_bytes(content[start : start + _COUNT_BYTES], "little", signed=True)
        start += _COUNT_BYTES
        end = start + np.dtype(storage.dtype).itemsize * storage.size
        if count != storage.size or not start < end <= len(content):
            raise ValueError("a storage has another size, or the file is not complete")
        values[storage.key] = np.frombuffer(content, storage.dtype, storage.size, start)
        start = end
    if start != len(content):
        raise ValueError("it goes on after its last storage, or lacks one")
    return values


def _array(tensor: Tensor, values: np.ndarray) -> np.ndarray:
    """The part of a storage that a tensor is: without gaps, its axes in any order."""
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    if not len(shape) == len(strides) <= _MOST_AXES or min(shape, default=1) < 1 or offset < 0:
        raise ValueError("a tensor has a shape that no tensor has")
    inner_last = sorted(range(len(shape)), key=lambda axis: strides[axis], reverse=True)
    size = 1
    for axis in reversed(inner_last):
        if shape[axis] > 1 and strides[axis] != size:
            raise ValueError("a tensor's values are not next to one another")
        size *= shape[axis]
    if offset + size > len(values):
        raise ValueError("a tensor ends after its storage")
    part = values[offset : offset + size].reshape([shape[axis] for axis in inner_last])
    return part.transpose([inner_last.index(axis) for axis in range(len(shape))])

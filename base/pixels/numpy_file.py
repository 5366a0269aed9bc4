"""Reads NumPy's files; what is wrong with one is one line."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError, first_line
from . import unpacking

# A header may state an array that no memory holds.
_DAMAGED = (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; of an .npy file its array, without a name.

    Raises:
      DataError: the file is missing, something else, damaged, or unpacks to too much.
    """
    name = ""
    try:
        unpacking.require_members(path, "save them with numpy.savez, which does not pack them")
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        arrays: dict[str, np.ndarray] = {}
        with content:
            for name in content.files:
                arrays[name] = content[name]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except _DAMAGED as error:
        hint = "; save it as numbers or text, not objects (for words: labels.astype(str))"
        advice = hint if "Object arrays" in str(error) else ""
        where = f"{path}, {name}" if name else str(path)
        raise DataError(
            f"{where}: cannot be read as NumPy's arrays: {first_line(error)}{advice}"
        ) from None
    return arrays

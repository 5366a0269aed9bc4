"""NumPy's files, read: what can be wrong with one is one line."""

from pathlib import Path

import numpy as np

from ..errors import DataError, UserError, first_line
from . import unpacking

# The last character of Unicode. NumPy takes any 32 bits for one, until Python is to have it.
_LAST_CHARACTER = 0x10FFFF


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
            return {"": _checked(content)}
        arrays: dict[str, np.ndarray] = {}
        with content:
            for name in content.files:
                arrays[name] = _checked(content[name])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UserError:
        raise
    except Exception as error:  # Of zip files, packed members, headers in Python: each its own.
        hint = "; save it as numbers or text, not objects (for words: labels.astype(str))"
        advice = hint if "Object arrays" in str(error) else ""
        where = f"{path}, {name:.80}" if name else str(path)
        raise DataError(
            f"{where}: cannot be read as NumPy's arrays: {first_line(error)}{advice}"
        ) from None
    return arrays


def _checked(array: object) -> np.ndarray:
    """An array in which every character is one.

    Raises:
      ValueError: it is something else, or holds what is no text.
    """
    if not isinstance(array, np.ndarray):  # NumPy gives other members of a zip file as bytes.
        raise ValueError("it is not an array")
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        codes = np.ascontiguousarray(array).view(array.dtype.str[0] + "u4")
        if codes.max() > _LAST_CHARACTER:
            raise ValueError("it holds text with characters that Unicode does not have")
    return array

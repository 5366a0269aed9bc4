"""What a Python caller gives to be classified: paths, arrays, and pictures that Pillow opened."""

import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import PIL.Image

from ...base.errors import DataError, UsageError
from ...base.pictures import decode
from . import arguments
from .arrays import ArrayImages
from .pictures import Picture, Source, Wanted

OnePicture: TypeAlias = str | os.PathLike[str] | np.ndarray | PIL.Image.Image
Pictures: TypeAlias = OnePicture | Sequence[OnePicture]


@dataclasses.dataclass(frozen=True)
class OpenPictures:
    """Pictures that Pillow opened, a `pictures.Source`."""

    pictures: Sequence[PIL.Image.Image]
    name: str

    @property
    def count(self) -> int:
        return len(self.pictures)

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        for row, picture in enumerate(self.pictures, 1):
            try:
                pixels = decode.of_picture(picture, f"{self.name}, {row}", wanted.config)
                yield Picture(self.name, row, pixels)
            except DataError as error:
                yield str(error)


def sources(pictures: Pictures) -> tuple[list[Source], list[str]]:
    """What there is to classify, in its order.

    Args:
      pictures: paths (of pictures, folders, patterns, CSV files and NumPy's files), arrays as
        `arrays.ArrayImages` takes them, pictures of Pillow, or a list of these.

    Returns:
      The sources, and for each path that names nothing a line that says so.

    Raises:
      UsageError: it is something else.
    """
    several = pictures if isinstance(pictures, (list, tuple)) else [pictures]
    found: list[Source] = []
    errors: list[str] = []
    for kind, group in itertools.groupby(several, _kind):
        items: list[Any] = list(group)
        if kind is str:
            more, wrong = arguments.sources([os.fspath(path) for path in items])
            found += more
            errors += wrong
        elif kind is PIL.Image.Image:
            found.append(OpenPictures(items, "picture"))
        elif kind is np.ndarray:
            found.append(ArrayImages(_stacked(items), "array"))
        else:
            raise UsageError(
                f"expected paths, arrays or Pillow's pictures, got {type(items[0]).__name__}"
            )
    return found, errors


def _kind(value: object) -> type:
    """`str` for paths, `ndarray` for whatever is an array."""
    if isinstance(value, (str, os.PathLike)):
        return str
    if isinstance(value, PIL.Image.Image):
        return PIL.Image.Image
    return np.ndarray if hasattr(value, "__array__") else object


def _stacked(items: Sequence[np.ndarray]) -> np.ndarray:
    """One array of images, or several images as one."""
    arrays = [np.asarray(item) for item in items]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise UsageError(f"arrays of {shapes[0]} and {shapes[1]}: give images of one shape")
    return arrays[0] if len(arrays) == 1 else np.stack(arrays)

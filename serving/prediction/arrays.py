"""Arrays of images: a caller's, the one of an `.npy` file, or one of those in an `.npz` file.

They are read as `digitline prepare` reads them, and made as the model's training images were.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.errors import DataError
from ...base.pictures import decode
from ...base.pixels import array_names, layout, numpy_file, scale
from .pictures import Picture, Wanted, described

# Of a file with the images of several splits, those that are asked about.
_SPLITS = ("test", "validation", "train")


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """The images of a file, a `pictures.Source`."""

    path: Path

    @functools.cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        """The arrays that hold images, by name, the one that is asked about first."""
        arrays = numpy_file.read(self.path)
        if len(arrays) == 1:
            return arrays
        roles = {name: array_names.role(name) for name in arrays}
        if "arr_0" in arrays and not any(roles.values()):
            return {"arr_0": arrays["arr_0"]}
        images = [
            name
            for split in _SPLITS
            for name, role in roles.items()
            if role == (split, "images") and arrays[name].ndim > 1
        ]
        if not images:
            raise DataError(
                f"{self.path}: holds {', '.join(arrays) or 'nothing'}; expected one array of "
                "images, or one by a usual name, such as x_test or images"
            )
        return {name: arrays[name] for name in images}

    @property
    def count(self) -> int:
        """The first size of the array; whoever reads it says what is wrong with it."""
        try:
            shape = next(iter(self._arrays.values())).shape
        except DataError:
            return 0
        return shape[0] if shape else 0

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        shape = wanted.config.image_shape
        name, array = next(iter(self._arrays.items()))
        where = f"{self.path}, {name}" if name else str(self.path)
        if array.shape in (shape, shape[: 2 if shape[2] == 1 else 3]):
            array = array[np.newaxis]  # One image.
        images = layout.upright(array, where, None, shape)
        if not len(images):
            raise DataError(f"{where}: it holds no image")
        numeric = (other for other in self._arrays.values() if other.dtype.kind in "iufb")
        seen = sum(map(scale.look, numeric), scale.Seen())
        factor = scale.scale_of(seen, self.path, wanted.config.scale)
        _say_size(images, where, shape)
        yield from _pictures(images, factor, str(self.path), wanted)


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayImages:
    """The images of an array that a caller has, a `pictures.Source`.

    Attributes:
      array: numbers [N, H, W, C], or [N, H, W] of grey images, or one image without N; rows of
        pixels [N, H·W·C] in the model's size. uint8 is taken as it is, from 0 to 255.
      name: how it is called in answers and errors.
    """

    array: np.ndarray
    name: str

    @property
    def count(self) -> int:
        return len(self.array) if self.array.ndim else 0

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        array, shape = self.array, wanted.config.image_shape
        channels = array.shape[-1] if array.ndim == 3 else 0
        if array.shape in (shape, shape[:2]) or channels in (1, 3):
            array = array[np.newaxis]  # One image.
        elif array.ndim == 2 and array.shape[1] != math.prod(shape):
            raise DataError(
                f"{self.name}: {list(array.shape)}: expected images [N, H, W] or [N, H, W, C]"
            )
        images = layout.upright(array, self.name, None, shape)
        if not len(images):
            return
        is_plain = images.dtype == np.uint8
        usual = wanted.config.scale
        factor = 1 if is_plain else scale.scale_of(scale.look(images), self.name, usual)
        if images.shape[1:] != shape:
            _say_size(images, self.name, shape)
        yield from _pictures(images, factor, self.name, wanted)


def _say_size(images: np.ndarray, where: str, shape: tuple[int, int, int]) -> None:
    of_size, made = ("x".join(map(str, each)) for each in (images.shape[1:], shape))
    resized = f" {of_size}, made {made} as the model takes them" if of_size != made else ""
    progress.say(f"{where}: {len(images):,} image{'s'[: len(images) != 1]}{resized}")


def _pictures(
    images: np.ndarray, factor: int, file: str, wanted: Wanted
) -> Iterator[Picture | str]:
    """The images [N, H, W, C] on a scale; of one with other numbers, what is wrong."""
    for row, image in enumerate(images, 1):
        if scale.are_pixels(image, factor).all():
            levels = scale.levels(image, factor)
            pixels = decode.made(levels, wanted.config, described(file, row))
            yield Picture(file, row, pixels)
        else:
            yield f"{described(file, row)}: its pixels are not all {scale.expected(factor)}"

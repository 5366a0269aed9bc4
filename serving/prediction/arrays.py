"""Arrays of images in NumPy's files: the one of an `.npy` file, or one of those in an `.npz` file.

They are read as `digitline prepare` reads them, and made as the model's training images were.
"""

import dataclasses
import functools
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
        factor = scale.scale_of(sum(map(scale.look, numeric), scale.Seen()), self.path)
        of_size, made = ("x".join(map(str, each)) for each in (images.shape[1:], shape))
        resized = f" {of_size}, made {made} as the model takes them" if of_size != made else ""
        progress.say(f"{where}: {len(images):,} image{'s'[: len(images) != 1]}{resized}")
        for row, image in enumerate(images, 1):
            if scale.are_pixels(image, factor).all():
                pixels = decode.made(scale.levels(image, factor), wanted.config)
                yield Picture(str(self.path), row, pixels)
            else:
                expected = scale.expected(factor)
                yield f"{described(self.path, row)}: its pixels are not all {expected}"

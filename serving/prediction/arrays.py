"""Arrays of images in NumPy's files: one in `.npy`, or one of those in `.npz`."""

import contextlib
import dataclasses
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ...base import progress
from ...base.errors import DataError, first_line
from .pictures import Picture, Wanted, described
from .pixels import as_pixels, scale_of

# In a file of several arrays, the ones that are asked about: the first of these that is there.
_NAMES = ("x_test", "X_test", "test_images", "images", "x", "X", "arr_0")


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """The images of a file, a `pictures.Source`."""

    path: Path

    @property
    def count(self) -> int:
        """The first size of the array; whoever reads it says what is wrong with it."""
        with contextlib.suppress(DataError):
            shape = _array(self.path)[1].shape
            return shape[0] if shape else 0
        return 0

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        name, array = _array(self.path)
        where = f"{self.path}, {name}" if name else str(self.path)
        images = _images(array, wanted.config.image_shape, where)
        scale = 1 if images.dtype == np.uint8 and images.max(initial=0) > 1 else scale_of(images)
        scaled = "; pixels from 0 to 1 are scaled to 255" if scale != 1 else ""
        progress.say(f"{where}: {len(images):,} image{'s'[: len(images) != 1]}{scaled}")
        for row, image in enumerate(images, 1):
            try:
                yield Picture(str(self.path), row, as_pixels(image, scale))
            except DataError as error:
                yield f"{described(self.path, row)}: {error}"


def _array(path: Path) -> tuple[str, np.ndarray]:
    """The array of the file, and its name where there are several."""
    try:
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return "", content
        with content:
            return _chosen(path, content)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as NumPy's arrays: {first_line(error)}") from None


def _chosen(path: Path, content: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray]:
    names = list(content)
    name = next((name for name in _NAMES if name in names), names[0] if len(names) == 1 else None)
    if name is None:
        raise DataError(
            f"{path}: holds {', '.join(names) or 'nothing'}; expected one array of images, or one "
            f"of the name {', '.join(_NAMES)}"
        )
    return name, content[name]


def _images(array: np.ndarray, shape: tuple[int, int, int], where: str) -> np.ndarray:
    """The array as [N, H, W, C].

    Raises:
      DataError: it holds no images of the model's size.
    """
    height, width, channels = shape
    grey = channels == 1
    forms: dict[tuple[int, ...], bool] = {shape: True, (height, width): grey}
    if array.dtype.kind in "buif":
        if forms.get(array.shape):  # One image.
            array = array[np.newaxis]
        if array.ndim > 1 and forms.get(array.shape[1:]):
            return array.reshape(-1, *shape)
        if array.ndim == 2 and array.shape[1] == height * width * channels:
            return array.reshape(-1, *shape)
        if array.shape[1:] == (channels, height, width):
            return np.moveaxis(array, 1, 3)
    raise DataError(
        f"{where}: {array.dtype} {list(array.shape)}; expected images as the model takes them, "
        f"numbers [N, {height}, {width}{'' if grey else f', {channels}'}]"
    )

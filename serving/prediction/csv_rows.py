"""CSV files of images, one a row, as of Kaggle's digit recognizer: pixels, perhaps a label.

They are read as `digitline prepare` reads them; the label is not looked at.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...base.errors import DataError, UserError
from ...base.pictures import decode
from ...base.pixels import columns, dialect, scale
from ...base.pixels.dialect import Dialect
from ...base.pixels.rows import RowForm
from .pictures import Picture, Wanted, described


@dataclasses.dataclass(frozen=True)
class CsvRows:
    """The rows of a file, a `pictures.Source`."""

    path: Path

    @property
    def count(self) -> int:
        """About: blank lines and a header count too."""
        if not self.path.is_file():
            return 0
        with open(self.path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        file = dialect.look(self.path)
        form = RowForm(file, _columns(file, wanted.config.image_shape))
        seen = scale.Seen()
        for lines in form.blocks(file.start, file.size):
            seen = form.look(lines, seen)
        factor = scale.scale_of(seen, self.path, wanted.config.scale)
        row = 0
        for lines in form.blocks(file.start, file.size):
            for image in form.images(lines, factor):
                row += 1
                if isinstance(image, np.ndarray):
                    pixels = decode.made(image, wanted.config, described(self.path, row))
                    yield Picture(str(self.path), row, pixels)
                else:
                    yield f"{described(self.path, row)}: {image}"


def _columns(file: Dialect, shape: tuple[int, int, int]) -> columns.Columns:
    """Finds the columns of a model's images.

    Raises:
      DataError: they do not fit.
    """
    height, width, channels = shape
    try:
        return columns.find(
            file, columns.Wanted(image_size=(height, width), channels=channels, needs_label=False)
        )
    except UserError as error:
        if error.option == "source_dir":
            raise DataError(
                f"{file.path}: it names picture files and holds none: give the pictures, or their "
                "folder, to predict"
            ) from None
        raise DataError(
            f"{file.path}: its rows have {file.columns:,} columns ({file}); expected the "
            f"{height * width * channels:,} pixels of a {'x'.join(map(str, shape))} image, as the "
            "model takes it, and perhaps a label"
        ) from None

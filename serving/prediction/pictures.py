"""Pictures to classify, one after the other, from files, tables and arrays."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ...base.pictures.config import PictureConfig


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture, read.

    Attributes:
      file: where it is from.
      row: of a table or array, from 1; None for a picture file.
      pixels: uint8 [H, W, C], as the model takes them.
      content: a picture file that TensorFlow reads, for a server whose graph decodes it.
    """

    file: str
    row: int | None
    pixels: np.ndarray
    content: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a model takes.

    Attributes:
      config: how a picture file becomes pixels.
      files: whether picture files themselves are wanted too.
    """

    config: PictureConfig
    files: bool = False


class Source(Protocol):
    """Where pictures come from."""

    @property
    def count(self) -> int:
        """How many there are, damaged ones included."""
        ...

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        """The pictures in their order; for a damaged one a line that says what is wrong.

        Raises:
          UserError: none of them can be read.
        """
        ...


def described(file: Path | str, row: int | None) -> str:
    """How a picture is called in what is said of it."""
    return str(file) if row is None else f"{file}, row {row}"

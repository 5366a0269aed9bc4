"""What a source of examples is, so that workers can read it slice by slice."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import numpy as np

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Example:
    """An image uint8 [H, W, C], its class number, and its split."""

    split: str
    image: np.ndarray
    label: int


@dataclasses.dataclass(frozen=True)
class Damaged:
    """What stands in an example's place where it cannot be read; `cause` names it."""

    cause: str


class Source(Protocol):
    """Where slices of examples come from. It travels to the workers: small, and pickled.

    Attributes:
      label_names: by class number.
      image_shape: (height, width, channels) of every image.
      num_slices: how many slices there are.
    """

    @property
    def label_names(self) -> tuple[str, ...]: ...

    @property
    def image_shape(self) -> tuple[int, int, int]: ...

    @property
    def num_slices(self) -> int: ...

    def read(self, index: int) -> Iterator[Example | Damaged]:
        """The examples of a slice."""
        ...


class Executor(Protocol):
    """Runs a function on each slice, here or on other machines."""

    def __call__(self, work: Callable[[int], T], count: int, title: str) -> list[T]:
        """The results of `work(0)` to `work(count - 1)`, in order.

        Args:
          work: a function that can be pickled.
          count: the number of slices.
          title: for the progress bar.

        Raises:
          UserError, OSError: as `work` does.
        """
        ...

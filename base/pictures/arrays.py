"""The few operations on arrays that the digit finder is made of, so that it runs in two libraries.

`predict` finds a digit by NumPy, and a SavedModel's `predict_bytes` by the same code in
TensorFlow's graph: `export/pictures/arrays.py` has the same operations there. Whatever the finder
does beyond operators and slices, it does by these. All arrays are float64, and hold whole numbers
wherever they are summed, so that both libraries come to the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

# An array, or a number, of the library that is at work.
Array: TypeAlias = Any


class Arrays(Protocol):
    """Operations of NumPy, under its names, where nothing else is said."""

    def arange(self, stop: Array, /) -> Array: ...
    def sum(self, values: Array, /, axis: int | None = None) -> Array: ...
    def max(self, values: Array, /) -> Array: ...
    def sort(self, values: Array, /) -> Array: ...
    def cumsum(self, values: Array, /) -> Array: ...
    def where(self, condition: Array, values: Array, others: Array, /) -> Array: ...
    def maximum(self, first: Array, second: Array, /) -> Array: ...
    def minimum(self, first: Array, second: Array, /) -> Array: ...
    def abs(self, values: Array, /) -> Array: ...
    def floor(self, values: Array, /) -> Array: ...
    def rint(self, values: Array, /) -> Array: ...
    def concatenate(self, parts: Sequence[Array], /, axis: int) -> Array: ...
    def ravel(self, values: Array, /) -> Array: ...
    def transpose(self, values: Array, /) -> Array: ...

    def take(self, table: Sequence[float], indices: Array, /) -> Array:
        """The numbers of a table at indices, which are whole numbers in float64."""
        ...

    def spread(self, values: Array, extent: int, /) -> Array:
        """The largest value [h, w] in a square, of an odd number of pixels, around each pixel."""
        ...

    def call(self, function: Callable[..., Array], /, *values: Array) -> Array:
        """`function(self, *values)`, which is traced once for all the calls in a graph."""
        ...

    def size(self, values: Array, axis: int, /) -> Array:
        """A whole number: how long the array is there."""
        ...

    def integer(self, value: Array, /) -> Array:
        """A number to index and to slice with."""
        ...

    def real(self, value: Array, /) -> Array:
        """Such a number, or true and false, as float64."""
        ...

    def margins(self, values: Array, before: Sequence[Array], shape: Sequence[int], /) -> Array:
        """Zeros of a shape with the array in them, after so many rows and columns."""
        ...


class NumPy:
    """Of NumPy."""

    arange = staticmethod(lambda stop: np.arange(stop, dtype=np.float64))
    sum = staticmethod(lambda values, axis=None: np.sum(values, axis=axis))
    max, cumsum = staticmethod(np.max), staticmethod(np.cumsum)
    sort, where = staticmethod(np.sort), staticmethod(np.where)
    maximum, minimum = staticmethod(np.maximum), staticmethod(np.minimum)
    abs, floor, rint = staticmethod(np.abs), staticmethod(np.floor), staticmethod(np.rint)
    concatenate, ravel = staticmethod(np.concatenate), staticmethod(np.ravel)
    transpose = staticmethod(np.transpose)
    size = staticmethod(lambda values, axis: values.shape[axis])
    integer = staticmethod(int)
    real = staticmethod(lambda value: np.asarray(value, np.float64))
    take = staticmethod(lambda table, indices: np.take(table, indices.astype(int)))

    @staticmethod
    def spread(values: Array, extent: int) -> Array:
        (height, width), wide = values.shape, np.pad(values, extent // 2, "edge")
        rows = np.max([wide[step : step + height] for step in range(extent)], axis=0)
        return np.max([rows[:, step : step + width] for step in range(extent)], axis=0)

    def call(self, function: Callable[..., Array], /, *values: Array) -> Array:
        return function(self, *values)

    @staticmethod
    def margins(values: Array, before: Sequence[Array], shape: Sequence[int]) -> Array:
        result = np.zeros(shape)
        (top, left), (height, width) = before, values.shape
        result[top : top + height, left : left + width] = values
        return result

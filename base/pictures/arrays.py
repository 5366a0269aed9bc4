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

    def sqrt(self, values: Array, /) -> Array: ...

    def take(self, table: Array | Sequence[float], indices: Array, /) -> Array:
        """The numbers of a table [N] at indices, which are whole numbers in float64."""
        ...

    def sums(self, indices: Array, values: Array, count: Array, /) -> Array:
        """The sum of the values [N] of each index [N], a whole number in float64: [count]."""
        ...

    def tops(self, indices: Array, values: Array, count: Array, /) -> Array:
        """As `sums`, the largest value; without values, any number."""
        ...

    def largest(self, values: Array, rows: int, columns: int, /) -> Array:
        """The largest of each rows x columns values of [h, w] that lie together."""
        ...

    def settled(self, function: Callable[[Array], Array], values: Array, /) -> Array:
        """What comes of `values = function(values)` over and over, until nothing changes."""
        ...

    def framed(self, values: Array, margins: tuple[Array, Array], value: float, /) -> Array:
        """An array [h, w] with so many rows above and below it, and columns on both sides."""
        ...

    def doubled(self, values: Array, /) -> Array:
        """Each value of [h, w] in 2x2 places."""
        ...

    def call(self, function: Callable[..., Array], /, *values: Array) -> Array:
        """`function(self, *values)`, which is traced once for all the calls in a graph."""
        ...

    def size(self, values: Array, axis: int, /) -> Array:
        """A whole number: how long the array is there."""
        ...

    def least(self, size: Array, other: Array, /) -> Array:
        """The smaller of two whole numbers."""
        ...

    def integer(self, value: Array, /) -> Array:
        """A number to index and to slice with."""
        ...

    def compact(self, values: Array, /) -> Array:
        """Whole numbers from -2^15 on and below 2^15, in a type that filters work faster on."""
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
    integer, least = staticmethod(int), staticmethod(min)
    compact = staticmethod(lambda values: values.astype(np.int16))
    real = staticmethod(lambda value: np.asarray(value, np.float64))
    sqrt = staticmethod(np.sqrt)
    take = staticmethod(lambda table, indices: np.take(table, indices.astype(int)))
    doubled = staticmethod(lambda values: np.repeat(np.repeat(values, 2, axis=0), 2, axis=1))

    @staticmethod
    def sums(indices: Array, values: Array, count: Array) -> Array:
        return np.bincount(indices.astype(int), values, count)

    @staticmethod
    def tops(indices: Array, values: Array, count: Array) -> Array:
        result = np.full(count, -np.inf)
        np.maximum.at(result, indices.astype(int), values)
        return result

    @staticmethod
    def largest(values: Array, rows: int, columns: int) -> Array:
        for axis, extent in ((0, rows), (1, columns)):
            reach = 1
            while reach < extent:  # Of pairs, of pairs of pairs, and so on: log2(extent) steps.
                step = min(reach, extent - reach)
                ends = np.split(values, [step], axis)[1], np.split(values, [-step], axis)[0]
                values = np.maximum(*ends)
                reach += step
        return values

    @staticmethod
    def settled(function: Callable[[Array], Array], values: Array) -> Array:
        while True:
            following = function(values)
            if np.array_equal(following, values):
                return values
            values = following

    @staticmethod
    def framed(values: Array, margins: tuple[Array, Array], value: float) -> Array:
        (rows, columns), (height, width) = margins, values.shape
        result = np.full((height + 2 * rows, width + 2 * columns), value, values.dtype)
        result[rows : rows + height, columns : columns + width] = values
        return result

    def call(self, function: Callable[..., Array], /, *values: Array) -> Array:
        return function(self, *values)

    @staticmethod
    def margins(values: Array, before: Sequence[Array], shape: Sequence[int]) -> Array:
        result = np.zeros(shape)
        (top, left), (height, width) = before, values.shape
        result[top : top + height, left : left + width] = values
        return result

"""Requests that can be joined: their queue, and one call of the model for several of them."""

import asyncio
import collections
import dataclasses
import itertools
import math
import os
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import grpc
import numpy as np

from ..protocol.status import StatusError, from_exception
from .servable import Servable

_PART = 128


@dataclasses.dataclass(frozen=True)
class Parameters:
    """TF Serving's `BatchingParameters`, with its defaults.

    Attributes:
      max_batch_size: rows in a call, at most.
      batch_timeout_micros: how long the first request of a batch waits for more.
      max_enqueued_batches: full batches that may wait in one queue; more is refused.
      num_batch_threads: calls at once.
      allowed_batch_sizes: ascending; a batch is filled up to the next one. Empty: any.
      pad_variable_length_inputs: whether requests of other sizes than the first axis are
        joined too, filled up with zeros.
      split_large: whether a request of more rows than `max_batch_size` is cut.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    split_large: bool = False

    @property
    def part(self) -> int:
        """Rows of a part of a request that is cut: few, since others wait for it."""
        allowed = [size for size in self.allowed_batch_sizes if size <= _PART]
        return max(allowed, default=min(self.max_batch_size, _PART))

    def padded(self, rows: int) -> int:
        """The smallest size that is allowed and holds the rows."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


@dataclasses.dataclass(slots=True)
class Task:
    """A request, or a part of one; inputs are [rows, …] where the queue joins requests.

    Attributes:
      since: when it came, on the monotonic clock.
      runs: whether its call has begun, and not ended.
    """

    inputs: Mapping[str, np.ndarray]
    rows: int
    future: "asyncio.Future[list[np.ndarray]]"
    since: float
    runs: bool = False


class Kind(NamedTuple):
    """What requests must have in common to wait in one queue.

    Attributes:
      shapes: names and shapes of the inputs; None where each request is a batch of its own.
    """

    signature: str
    outputs: tuple[str, ...]
    shapes: Hashable = None


class Queue:
    """Requests of one kind that wait.

    Attributes:
      tasks: the oldest first.
      seconds: what the last call of a single row took, whose inputs are all of one size;
        infinite if it is not known. (Strings may be of any length.)
    """

    def __init__(self, model: str, servable: Servable, kind: Kind, parameters: Parameters):
        self.model = model
        self._servable, self._kind, self._parameters = servable, kind, parameters
        self.tasks: collections.deque[Task] = collections.deque()
        self.rows = 0
        self.seconds = math.inf

    def take(self) -> list[Task]:
        """The next batch: what its clients have left behind is dropped."""
        taken: list[Task] = []
        rows = 0
        while self.tasks:
            task = self.tasks[0]
            is_gone = task.future.done()
            is_full = rows + task.rows > self._parameters.max_batch_size
            if taken and not is_gone and (is_full or self._kind.shapes is None):
                break
            self.tasks.popleft()
            self.rows -= task.rows
            if not is_gone:
                taken.append(task)
                rows += task.rows
        return taken

    def call(self, tasks: list[Task]) -> list[list[np.ndarray] | StatusError]:
        """The outputs or the error of each request; on a thread of the pool."""
        start = time.perf_counter()
        try:
            answers = self._joined(tasks)
            if len(tasks) == 1 and tasks[0].rows == 1:
                has_strings = any(array.dtype == object for array in tasks[0].inputs.values())
                self.seconds = math.inf if has_strings else time.perf_counter() - start
            return [*answers]
        except Exception as error:
            if len(tasks) == 1:
                return [from_exception(error)]
        # One bad request (a picture that does not decode) must not spoil its neighbours'.
        return [answer for task in tasks for answer in self.call([task])]

    def _joined(self, tasks: list[Task]) -> list[list[np.ndarray]]:
        signature, outputs = self._kind.signature, self._kind.outputs
        if self._kind.shapes is None:
            return [self._servable.run(signature, tasks[0].inputs, outputs)]
        rows = [task.rows for task in tasks]
        total = sum(rows)
        size = self._parameters.padded(total)
        inputs = tasks[0].inputs
        if len(tasks) > 1 or size > total:
            inputs = {name: _join([task.inputs[name] for task in tasks], size) for name in inputs}
        values = self._servable.run(signature, inputs, outputs)
        for name, value in zip(outputs, values, strict=True):
            if value.ndim == 0 or len(value) != size:
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Batched output tensor '{name}' has 0th dimension "
                    f"{value.shape[0] if value.ndim else 'none'}, but {size} was expected: the "
                    "model cannot be batched",
                )
        ends = itertools.accumulate(rows, initial=0)
        return [[value[start:end] for value in values] for start, end in itertools.pairwise(ends)]


def _join(arrays: list[np.ndarray], size: int) -> np.ndarray:
    """Along the first axis, filled up to `size` rows with the first row; other axes with zeros."""
    if len({array.shape[1:] for array in arrays}) > 1:
        widest = np.max([array.shape[1:] for array in arrays], axis=0)
        arrays = [_widened(array, widest) for array in arrays]
    missing = size - sum(len(array) for array in arrays)
    if missing:
        arrays = [*arrays, np.repeat(arrays[0][:1], missing, axis=0)]
    return np.concatenate(arrays)


def _widened(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    missing = [(0, int(size) - have) for size, have in zip(shape, array.shape[1:], strict=True)]
    fill = b"" if array.dtype == object else 0
    return np.pad(array, [(0, 0), *missing], constant_values=fill)

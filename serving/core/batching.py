"""Requests joined into batches: one call of the model answers many of them.

As TF Serving's batching (its guide "Batching configuration" and `BatchingParameters`):
requests wait in a queue for each servable, signature and shape; a free thread takes up to
`max_batch_size` rows at once, and waits up to `batch_timeout_micros` for more if there are
fewer. With a timeout of 0 the batch is what came in while the threads were busy, so a lone
request never waits; if its model is known to be quick, it is answered on the event loop.
"""

import asyncio
import collections
import concurrent.futures
import dataclasses
import itertools
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np

from ..protocol.status import StatusError, from_exception, invalid
from .servable import Servable

# Seconds that a call may hold up the event loop; and how long after two requests have met there
# are taken to be several clients.
_QUICK_S, _CROWD_S = 0.002, 0.25
# Calls on the event loop cannot meet: after so many, one is done by a thread, to see.
_IN_PLACE = 16


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


@dataclasses.dataclass(slots=True)
class _Task:
    inputs: Mapping[str, np.ndarray]
    rows: int
    future: "asyncio.Future[list[np.ndarray]]"
    since: float
    started: bool = False


class Batcher:
    """All queues of a server, and the threads that they share. Lives on one event loop."""

    def __init__(
        self, parameters: Parameters, observe: Callable[[str, int, int, float], None] | None = None
    ):
        """Starts with no request and all threads free.

        Args:
          parameters: of all queues.
          observe: told of each batch: the model, its rows, the rows with filling, and how
            many seconds its first request waited.
        """
        self.parameters = parameters
        self._observe = observe
        self._pool = concurrent.futures.ThreadPoolExecutor(
            parameters.num_batch_threads, thread_name_prefix="batch"
        )
        self._free = parameters.num_batch_threads
        self._met = -math.inf  # When a request last came while another ran or waited.
        self._in_place = 0  # Calls on the event loop since the last one by a thread.
        self._waiting: dict[_Queue, None] = {}  # In the order of their turns.
        self._timer: asyncio.TimerHandle | None = None

    def executor(self, model: str, servable: Servable) -> "Batched":
        """For a manager: what runs the calls of a version of a model."""
        return Batched(model, servable, self)

    @property
    def queued(self) -> int:
        """Rows that wait."""
        return sum(queue.rows for queue in self._waiting)

    def close(self) -> None:
        """Ends the threads when their calls have ended."""
        self._pool.shutdown(wait=False)

    def submit(self, queue: "_Queue", task: _Task) -> None:
        """Puts a request into its queue."""
        limits = self.parameters
        if queue.rows + task.rows > limits.max_enqueued_batches * limits.max_batch_size:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "The batch scheduling queue to which this task was submitted is full",
            )
        if self._waiting or self._free < limits.num_batch_threads:
            self._met = task.since
        queue.tasks.append(task)
        queue.rows += task.rows
        self._waiting.setdefault(queue)
        self._dispatch()

    def _dispatch(self) -> None:
        """Starts batches while there are free threads and queues whose time has come."""
        now = time.monotonic()
        soonest = None
        for queue in list(self._waiting):
            if not self._free:
                return  # A call that ends comes back here.
            due = queue.tasks[0].since + self.parameters.batch_timeout_micros / 1e6
            if queue.rows < self.parameters.max_batch_size and due > now:
                soonest = due if soonest is None else min(soonest, due)
                continue
            self._start(queue, now)
        if soonest is not None:
            self._wake_at(soonest)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, when - time.monotonic()), self._dispatch)

    def _start(self, queue: "_Queue", now: float) -> None:
        tasks = queue.take(self.parameters.max_batch_size)
        del self._waiting[queue]
        if queue.tasks:
            self._waiting[queue] = None  # To the end: each queue has its turn.
        if not tasks:
            return
        for task in tasks:
            task.started = True
        self._free -= 1
        if self._observe is not None:
            rows = sum(task.rows for task in tasks)
            self._observe(
                queue.model, rows, _padded_rows(rows, self.parameters), now - tasks[0].since
            )
        if self._is_lone(queue, tasks, now):
            self._in_place += 1
            self._finish(tasks, queue.call(tasks, self.parameters))
            return
        self._in_place = 0
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, queue.call, tasks, self.parameters)
        work.add_done_callback(lambda done: self._finish_and_go_on(tasks, done.result()))

    def _is_lone(self, queue: "_Queue", tasks: list[_Task], now: float) -> bool:
        """Whether a call is done soonest in place: a thread and the way back take longer.

        It must be known to be quick, and its client to be alone.
        """
        return (
            queue.seconds < _QUICK_S
            and len(tasks) == 1
            and tasks[0].rows == 1
            and not self._waiting
            and not self.parameters.pad_variable_length_inputs
            and self._free == self.parameters.num_batch_threads - 1
            and now - self._met > _CROWD_S
            and self._in_place < _IN_PLACE
        )

    def _finish_and_go_on(self, tasks: list[_Task], answers: list[Any]) -> None:
        self._finish(tasks, answers)
        self._dispatch()

    def _finish(self, tasks: list[_Task], answers: list[Any]) -> None:
        self._free += 1
        for task, answer in zip(tasks, answers, strict=True):
            if task.future.done():  # Its client has gone.
                continue
            if isinstance(answer, Exception):
                task.future.set_exception(answer)
            else:
                task.future.set_result(answer)


class Batched:
    """The queues of one servable."""

    def __init__(self, model: str, servable: Servable, batcher: Batcher):
        self._model = model
        self._servable = servable
        self._batcher = batcher
        self._queues: dict[Any, _Queue] = {}
        self._joinable = {
            name: signature.batched for name, signature in servable.signatures.items()
        }

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        """Answers a request as part of a batch; alone where the signature has no open first axis.

        Raises:
          StatusError: UNAVAILABLE where the queue is full; INVALID_ARGUMENT where the
            inputs have other numbers of rows or more than a batch may have.
        """
        parameters = self._batcher.parameters
        # Its own queue, a request a batch: the number of calls at once stays bounded.
        alone = (signature, tuple(outputs), None)
        if not self._joinable[signature]:
            return await self._enqueue(alone, inputs, 1)
        counts = {len(array) for array in inputs.values()}
        if len(counts) != 1:
            raise invalid("Batching session Run() input tensors must have equal 0th-dimension size")
        rows = counts.pop()
        if not rows:
            return await self._enqueue(alone, inputs, 1)
        if rows > parameters.max_batch_size and not parameters.split_large:
            raise invalid(
                f"Task size {rows} is larger than maximum input batch size "
                f"{parameters.max_batch_size}"
            )
        pad = parameters.pad_variable_length_inputs
        shapes = tuple(array.ndim if pad else array.shape[1:] for array in inputs.values())
        key = (signature, tuple(outputs), (tuple(inputs), shapes))
        if rows <= parameters.max_batch_size:
            return await self._enqueue(key, inputs, rows)
        parts = [
            self._enqueue(key, {name: array[at:end] for name, array in inputs.items()}, end - at)
            for at, end in _cuts(rows, parameters.max_batch_size)
        ]
        # All of them to their end, also where one fails: they hold the same lease.
        answers = await asyncio.gather(*parts, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [np.concatenate(each) for each in zip(*answers, strict=True)]

    async def _enqueue(
        self, key: Any, inputs: Mapping[str, np.ndarray], rows: int
    ) -> list[np.ndarray]:
        queue = self._queues.get(key)
        if queue is None:
            signature, outputs, kind = key
            queue = _Queue(self._model, self._servable, signature, outputs, joins=kind is not None)
            if len(self._queues) >= 64:  # Of hostile shapes there is no end.
                self._queues = {k: q for k, q in self._queues.items() if q.tasks}
            self._queues[key] = queue
        task = _Task(inputs, rows, asyncio.get_running_loop().create_future(), time.monotonic())
        self._batcher.submit(queue, task)
        try:
            return await asyncio.shield(task.future)
        except asyncio.CancelledError:
            if task.started:  # It cannot be broken off, and needs the lease.
                await asyncio.wait([task.future])
            else:
                task.future.cancel()
            raise

    def close(self) -> None:
        self._queues.clear()


class _Queue:
    """Requests that can be joined."""

    def __init__(
        self, model: str, servable: Servable, signature: str, outputs: Sequence[str], joins: bool
    ):
        self.model = model
        self.servable = servable
        self.signature = signature
        self.outputs = outputs
        self.joins = joins
        self.tasks: collections.deque[_Task] = collections.deque()
        self.rows = 0
        # What the last call of a single row took. All calls of a queue are of one shape, but
        # strings may be of any length.
        self.seconds = math.inf

    def take(self, limit: int) -> list[_Task]:
        """The next requests, of at most `limit` rows together; those whose client has gone go."""
        taken: list[_Task] = []
        rows = 0
        while self.tasks:
            task = self.tasks[0]
            gone = task.future.done()
            if taken and not gone and (rows + task.rows > limit or not self.joins):
                break
            self.tasks.popleft()
            self.rows -= task.rows
            if not gone:
                taken.append(task)
                rows += task.rows
        return taken

    def call(self, tasks: list[_Task], parameters: Parameters) -> list[Any]:
        """The answer or the error of each request; on a thread of the pool."""
        start = time.perf_counter()
        try:
            answers = self._joined(tasks, parameters)
            if len(tasks) == 1 and tasks[0].rows == 1:
                has_strings = any(each.dtype == object for each in tasks[0].inputs.values())
                self.seconds = math.inf if has_strings else time.perf_counter() - start
            return answers
        except Exception as error:
            if len(tasks) == 1:
                return [from_exception(error)]
        # One bad request (a picture that does not decode) must not spoil its neighbours'.
        return [answer for task in tasks for answer in self.call([task], parameters)]

    def _joined(self, tasks: list[_Task], parameters: Parameters) -> list[Any]:
        if not self.joins:
            return [self.servable.run(self.signature, tasks[0].inputs, self.outputs)]
        rows = [task.rows for task in tasks]
        total = sum(rows)
        size = _padded_rows(total, parameters)
        if len(tasks) == 1 and size == total:
            joined = tasks[0].inputs
        else:
            joined = {
                name: _join([task.inputs[name] for task in tasks], size) for name in tasks[0].inputs
            }
        values = self.servable.run(self.signature, joined, self.outputs)
        for name, value in zip(self.outputs, values, strict=True):
            if value.ndim == 0 or len(value) != size:
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Batched output tensor '{name}' has 0th dimension "
                    f"{value.shape[0] if value.ndim else 'none'}, but {size} was expected: the "
                    "model cannot be batched",
                )
        if len(tasks) == 1:
            return [[value[:total] for value in values]]
        starts = np.cumsum([0, *rows])
        return [[value[start:end] for value in values] for start, end in itertools.pairwise(starts)]


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


def _padded_rows(rows: int, parameters: Parameters) -> int:
    """The smallest size that is allowed and holds the rows."""
    return next((size for size in parameters.allowed_batch_sizes if size >= rows), rows)


def _cuts(rows: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]

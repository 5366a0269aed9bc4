"""Requests joined into batches: one call of the model answers many of them.

As TF Serving's batching (its guide "Batching configuration" and `BatchingParameters`):
requests wait in a queue for each servable, signature and shape; a free thread takes up to
`max_batch_size` rows at once, and waits up to `batch_timeout_micros` for more if there are
fewer. With a timeout of 0 the batch is what came in while the threads were busy, so a lone
request never waits; if its model is known to be quick, it is answered on the event loop. Of
several clients, requests come in bursts, after a batch is answered: one starts when nothing
has come for a moment, since a call for each costs several times as much.
"""

import asyncio
import concurrent.futures
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence

import grpc
import numpy as np

from ..protocol.status import StatusError, invalid
from .batch_queue import Kind, Parameters, Queue, Task
from .executor import Run
from .servable import Servable

# Seconds that a call may hold up the event loop; and how long after two requests have met there
# are taken to be several clients.
_QUICK_S, _CROWD_S = 0.002, 0.25
# Rounds of the event loop without a request that end a burst: 0.2 ms, less than it can sleep.
_ROUNDS = 16
# Lets the threads run that bring requests.
_yield = getattr(os, "sched_yield", lambda: None)
# Calls on the event loop cannot meet: after this many, one is done by a thread, to see.
_IN_PLACE = 16
# Queues of a servable: shapes that a hostile client makes up have no end.
_MOST_QUEUES = 64

# Told of each batch: the model, its rows, the rows with filling, and how many seconds its
# first request waited.
ObserveBatch = Callable[[str, int, int, float], None]


class Batcher:
    """All queues of a model, and the threads that they share. Lives on one event loop."""

    def __init__(self, parameters: Parameters, observe: ObserveBatch | None = None):
        """Starts with no request and all threads free."""
        self.parameters = parameters
        self._observe = observe
        self._pool = concurrent.futures.ThreadPoolExecutor(
            parameters.num_batch_threads, thread_name_prefix="batch"
        )
        self._free = parameters.num_batch_threads
        self._met = -math.inf  # When a request last came while another ran or waited.
        self._in_place = 0  # Calls on the event loop since the last one by a thread.
        self._waiting: dict[Queue, None] = {}  # In the order of their turns.
        self._timer: asyncio.TimerHandle | None = None
        self._rounds = 0  # Of the event loop that a burst is still waited for.

    def run(self, model: str, servable: Servable) -> Run:
        """What runs the calls of a version of a model."""
        return _Queues(model, servable, self).run

    @property
    def queued(self) -> int:
        """Rows that wait."""
        return sum(queue.rows for queue in self._waiting)

    def close(self) -> None:
        """Ends the threads when their calls have ended."""
        self._pool.shutdown(wait=False)

    def submit(self, queue: Queue, task: Task) -> None:
        """Puts a request into its queue.

        Raises:
          StatusError: UNAVAILABLE: it is full.
        """
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
        is_alone = task.since - self._met > _CROWD_S
        if limits.batch_timeout_micros or is_alone or queue.rows >= limits.max_batch_size:
            self._dispatch()
        elif self._free:  # Else a call that ends comes back.
            is_waiting, self._rounds = self._rounds > 0, _ROUNDS
            if not is_waiting:
                self._wait_for_more()

    def _wait_for_more(self) -> None:
        """Starts batches when the burst is over; until then others have the processor."""
        self._rounds -= 1
        if self._rounds > 0 and self._free:
            _yield()
            asyncio.get_running_loop().call_soon(self._wait_for_more)
        else:
            self._rounds = 0
            self._dispatch()

    def _dispatch(self) -> None:
        """Starts batches while there are free threads and queues whose time has come."""
        now = time.monotonic()
        soonest = math.inf
        for queue in list(self._waiting):
            if not self._free:
                return  # A call that ends comes back here.
            due = queue.tasks[0].since + self.parameters.batch_timeout_micros / 1e6
            if queue.rows < self.parameters.max_batch_size and due > now:
                soonest = min(soonest, due)
            else:
                self._start(queue, now)
        if soonest < math.inf:
            if self._timer is not None:
                self._timer.cancel()
            seconds = max(0.0, soonest - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(seconds, self._dispatch)

    def _start(self, queue: Queue, now: float) -> None:
        tasks = queue.take()
        del self._waiting[queue]
        if queue.tasks:
            self._waiting[queue] = None  # To the end: each queue has its turn.
        if not tasks:
            return
        for task in tasks:
            task.runs = True
        self._free -= 1
        if self._observe is not None:
            rows = sum(task.rows for task in tasks)
            waited = now - tasks[0].since
            self._observe(queue.model, rows, self.parameters.padded(rows), waited)
        if self._is_lone(queue, tasks, now):
            self._in_place += 1
            self._finish(tasks, queue.call(tasks))
            return
        self._in_place = 0
        work = asyncio.get_running_loop().run_in_executor(self._pool, queue.call, tasks)

        def finish(done: "asyncio.Future[list[list[np.ndarray] | StatusError]]") -> None:
            self._finish(tasks, done.result())
            self._dispatch()

        work.add_done_callback(finish)

    def _is_lone(self, queue: Queue, tasks: list[Task], now: float) -> bool:
        """Whether a call is done soonest in place: a thread and the way back take longer.

        It must be known to be quick, and its client to be the only one.
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

    def _finish(self, tasks: list[Task], answers: list[list[np.ndarray] | StatusError]) -> None:
        self._free += 1
        for task, answer in zip(tasks, answers, strict=True):
            task.runs = False
            if task.future.done():  # Its client has gone.
                continue
            if isinstance(answer, StatusError):
                task.future.set_exception(answer)
            else:
                task.future.set_result(answer)


class _Queues:
    """The queues of one servable."""

    def __init__(self, model: str, servable: Servable, batcher: Batcher):
        self._model = model
        self._servable = servable
        self._batcher = batcher
        self._queues: dict[Kind, Queue] = {}
        self._joinable = {
            name: signature.batched for name, signature in servable.signatures.items()
        }

    async def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        """Answers a request as part of a batch, or as one if its first axis is not open.

        Raises:
          StatusError: UNAVAILABLE where the queue is full; INVALID_ARGUMENT where the
            inputs have other numbers of rows or more than a batch may have.
        """
        limits = self._batcher.parameters
        rows = 0
        if self._joinable[signature]:
            if any(array.ndim == 0 for array in inputs.values()):
                raise invalid(
                    "Batching session Run() input tensors must have at least one dimension."
                )
            counts = {len(array) for array in inputs.values()}
            if len(counts) != 1:
                raise invalid(
                    "Batching session Run() input tensors must have equal 0th-dimension size"
                )
            rows = counts.pop()
        if not rows:
            # A queue of its own, a request a batch: the number of calls at once stays bounded.
            return await self._enqueue(Kind(signature, tuple(outputs)), inputs, 1)
        if rows > limits.max_batch_size and not limits.split_large:
            raise invalid(
                f"Task size {rows} is larger than maximum input batch size {limits.max_batch_size}"
            )
        pad = limits.pad_variable_length_inputs
        shapes = tuple(array.ndim if pad else array.shape[1:] for array in inputs.values())
        kind = Kind(signature, tuple(outputs), (tuple(inputs), shapes))
        if rows <= limits.max_batch_size:
            return await self._enqueue(kind, inputs, rows)
        return await self._in_parts(kind, inputs, rows)

    async def _in_parts(
        self, kind: Kind, inputs: Mapping[str, np.ndarray], rows: int
    ) -> list[np.ndarray]:
        """A request of more rows than a batch may have.

        One part after the other: all at once would fill the queue, and others be refused.
        """
        size = self._batcher.parameters.part
        outputs = []
        for start in range(0, rows, size):
            part = {name: array[start : start + size] for name, array in inputs.items()}
            outputs.append(await self._enqueue(kind, part, min(size, rows - start)))
        return [np.concatenate(arrays) for arrays in zip(*outputs, strict=True)]

    async def _enqueue(
        self, kind: Kind, inputs: Mapping[str, np.ndarray], rows: int
    ) -> list[np.ndarray]:
        queue = self._queues.get(kind)
        if queue is None:
            if len(self._queues) >= _MOST_QUEUES:
                self._queues = {kind: queue for kind, queue in self._queues.items() if queue.tasks}
            queue = Queue(self._model, self._servable, kind, self._batcher.parameters)
            self._queues[kind] = queue
        task = Task(inputs, rows, asyncio.get_running_loop().create_future(), time.monotonic())
        self._batcher.submit(queue, task)
        try:
            return await task.future
        except asyncio.CancelledError:
            if task.runs:  # It cannot be broken off, and needs the lease.
                task.future = asyncio.get_running_loop().create_future()
                await asyncio.wait([task.future])
            raise

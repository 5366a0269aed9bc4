"""Training batches made by TensorFlow's data service, in their order.

The service deals the numbers of the steps out to its workers, each to one of them, and gives what
they make as it comes. Here the batches are put in order again, and those that went with a worker
that died are asked for once more. So what is trained on is the same as without a service.
"""

import contextlib
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from ...base import progress
from ...base.errors import UsageError, UserError, first_line
from ...base.tf import tf

_ADDRESS = re.compile(r"grpc://(?P<host>\[[^\]]+\]|[^:/]+):(?P<port>\d+)")
# An error in a graph is text: ours begins with this.
_MARK = "the data service at"
# In seconds: how long the service may take to be there at first; after how much silence that is
# said, and after how much the run ends.
_START_S, _SAID_S, _SILENCE_S = 60.0, 10.0, 600.0
# A batch is lost where others have waited for it as long, or are as large.
_LOST_S, _LOST_BYTES = 60.0, 512 << 20
# Errors one after another, without a batch.
_ATTEMPTS = 5
_QUEUED = 8
# Batches that wait in order: this many, unless they are as large.
_AHEAD, _AHEAD_BYTES = 16, 256 << 20
_LOOK_S = 0.2

_Batch = tuple[Any, Any]


class _Numbered(NamedTuple):
    """The batch of a step."""

    step: int
    images: Any
    labels: Any


class Ahead:
    """Batches that a thread fetches before they are asked for, and counts.

    So the training loop can do only the steps whose batches are here, and hears a signal while the
    service is away.

    Attributes:
      count: of the batches that have come; after an error, which comes as the last one, any number.
    """

    def __init__(self) -> None:
        self.count = 0
        self._is_over = threading.Event()
        self._is_waiting = False

    def start(self, batches: Generator[_Batch, None, None], size: int) -> Iterator[_Batch]:
        """The batches; of which `size` wait at most."""
        waiting: queue.Queue[_Batch | Exception] = queue.Queue(size)
        threading.Thread(target=self._fetch, args=(batches, waiting), daemon=True).start()
        return self._arrivals(waiting)

    def close(self) -> None:
        """Ends the thread, and what waits for it.

        While TensorFlow waits in Python for a batch, Python's end would wait for it for ever.
        """
        self._is_over.set()
        if self._is_waiting:
            time.sleep(2 * _LOOK_S)

    def _fetch(
        self,
        batches: Generator[_Batch, None, None],
        waiting: "queue.Queue[_Batch | Exception]",
    ) -> None:
        with contextlib.closing(batches):
            try:
                for batch in batches:
                    self.count += 1
                    if not _put(waiting, batch, self._is_over):
                        return
            except Exception as error:  # For who waits.
                self.count = 1 << 31
                _put(waiting, error, self._is_over)

    def _arrivals(self, waiting: "queue.Queue[_Batch | Exception]") -> Iterator[_Batch]:
        while not self._is_over.is_set():
            with contextlib.suppress(queue.Empty):
                self._is_waiting = True
                batch = waiting.get(timeout=_LOOK_S)
                self._is_waiting = False
                if isinstance(batch, Exception):
                    raise batch
                yield batch


def in_order(
    batches_from: Callable[[int], tf.data.Dataset],
    address: str,
    start_step: int,
    ahead: Ahead | None = None,
) -> tf.data.Dataset:
    """The batches of all steps from `start_step` on, in order, as the service makes them.

    Args:
      batches_from: from a step to the dataset of (step, images, labels) from it on, one after
        another; each from its number alone.
      address: of the service, `grpc://host:port`.
      ahead: fetches them from now on; they can be iterated over once then.

    Raises:
      UsageError: it is no such address.
      UserError: nobody answers there.
    """
    _wait_for(address)
    spec: Any = batches_from(start_step).element_spec

    def batches() -> Generator[_Batch, None, None]:
        step, attempts = start_step, 0
        while True:
            try:
                for images, labels in _from(batches_from(step), address, step):
                    yield images, labels
                    step, attempts = step + 1, 0
            except tf.errors.OpError as error:
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise UserError(f"{_MARK} {address}: {first_line(error)}") from error
                progress.say(f"{_MARK} {address}: {first_line(error)}; asking again")
                time.sleep(attempts)
            else:
                progress.say(f"{_MARK} {address} has lost step {step:,}: asking again from there")

    arrivals: Callable[[], Iterator[_Batch]] = batches
    if ahead is not None:
        bytes_each = 4 * (spec[1].shape.num_elements() or _AHEAD_BYTES)
        size = max(2, min(_AHEAD, _AHEAD_BYTES // bytes_each))
        fetched = ahead.start(batches(), size)
        arrivals = lambda: fetched  # noqa: E731
    return tf.data.Dataset.from_generator(arrivals, output_signature=spec[1:]).prefetch(2)


def trouble(error: Exception) -> UserError | None:
    """What went wrong with the service, if it was that."""
    found = re.search(rf"{_MARK} .*", str(error))
    return UserError(found[0].strip()) if found else None


def _from(dataset: tf.data.Dataset, address: str, step: int) -> Iterator[_Batch]:
    """The batches from `step` on; ends where one is lost.

    Raises:
      OpError: the service's.
      UserError: it is silent for too long.
    """
    arrivals: queue.Queue[_Numbered | Exception] = queue.Queue(_QUEUED)
    is_over = threading.Event()
    threading.Thread(target=_fetch, args=(dataset, address, arrivals, is_over), daemon=True).start()
    waiting: dict[int, _Numbered] = {}
    size, since = 0, time.monotonic()
    try:
        while True:
            batch = _next(arrivals, address)
            if isinstance(batch, Exception):
                raise batch
            size = size or batch.images.nbytes
            waiting[batch.step] = batch
            while step in waiting:
                batch = waiting.pop(step)
                yield batch.images, batch.labels
                step, since = step + 1, time.monotonic()
            if len(waiting) * size > _LOST_BYTES or time.monotonic() - since > _LOST_S:
                return
    finally:
        is_over.set()


def _fetch(
    dataset: tf.data.Dataset,
    address: str,
    arrivals: "queue.Queue[_Numbered | Exception]",
    is_over: threading.Event,
) -> None:
    service = tf.data.experimental.service
    try:
        distributed = dataset.apply(  # Waits for the dispatcher.
            service.distribute(service.ShardingPolicy.DYNAMIC, address, compression=None)
        )
        for step, images, labels in distributed:
            if not _put(arrivals, _Numbered(int(step), images.numpy(), labels.numpy()), is_over):
                return
    except Exception as error:  # For who waits.
        _put(arrivals, error, is_over)


def _put(waiting: "queue.Queue[Any]", item: object, is_over: threading.Event) -> bool:
    """Puts it in; whether it is not over."""
    while not is_over.is_set():
        with contextlib.suppress(queue.Full):
            waiting.put(item, timeout=_LOOK_S)
            return True
    return False


def _next(arrivals: "queue.Queue[_Numbered | Exception]", address: str) -> _Numbered | Exception:
    silent = 0.0
    while silent < _SILENCE_S:
        try:
            return arrivals.get(timeout=_SAID_S)
        except queue.Empty:
            silent += _SAID_S
            if silent == _SAID_S:
                progress.say(
                    f"{_MARK} {address} has been silent for {_SAID_S:.0f} s: waiting for it"
                )
    raise UserError(
        f"{_MARK} {address} has been silent for {progress.duration(_SILENCE_S)}; when it is back, "
        "the same command resumes"
    )


def _wait_for(address: str) -> None:
    match = _ADDRESS.fullmatch(address)
    if not match:
        raise UsageError(f"--data_service={address}: expected grpc://HOST:PORT")
    place, start, is_said = (match["host"].strip("[]"), int(match["port"])), time.monotonic(), False
    while True:
        try:
            socket.create_connection(place, timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() - start > _START_S:
                raise UserError(
                    f"{_MARK} {address} does not answer ({error}): start it with digitline "
                    "data_service"
                ) from None
            if not is_said:
                progress.say(f"{_MARK} {address} does not answer yet ({error}): waiting for it")
                is_said = True
            time.sleep(0.5)

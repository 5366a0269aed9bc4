"""Slices worked through on this machine, by several processes."""

import contextlib
import dataclasses
import os
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from ....base import progress
from ....base.errors import UserError

T = TypeVar("T")

# Below this, in bytes, starting processes costs more time than they save.
_SMALL = 8 << 20


@dataclasses.dataclass(frozen=True)
class LocalExecutor:
    """Runs slices in processes, or in this one; a `slices.Executor`."""

    processes: int

    def __call__(self, work: Callable[[int], T], count: int, title: str) -> list[T]:
        with progress.Progress(title, count, unit="shards") as bar:
            if min(self.processes, count) > 1:
                try:
                    return _in_workers(work, count, self.processes, bar)
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    raise UserError(
                        f"{title}: one of the processes was ended from outside, perhaps for lack "
                        "of memory; free some memory, then run the same command again"
                    ) from None
            results = []
            for index in range(count):
                results.append(work(index))
                bar.advance(1)
            return results


def executor_for(num_bytes: int) -> LocalExecutor:
    """As many processes as there are cores, or only this one where few bytes are to be read."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return LocalExecutor(1 if num_bytes < _SMALL else cores or 1)


def _in_workers(
    work: Callable[[int], T], count: int, processes: int, bar: progress.Progress
) -> list[T]:
    """Hands each worker a slice, and the next one when it is done; ends them all at an error."""
    pending = iter(range(count))
    results: dict[int, T] = {}
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker()) for _ in range(min(processes, count))]
        for worker in workers:
            worker.send(work)
            worker.send(next(pending))
        while len(results) < count:
            for worker in wait(workers):
                assert isinstance(worker, Connection)
                index, result = worker.recv()
                if isinstance(result, BaseException):
                    raise result
                results[index] = result
                bar.advance(1)
                following = next(pending, None)
                if following is not None:
                    worker.send(following)
    return [results[index] for index in range(count)]


@contextlib.contextmanager
def _worker() -> Iterator[Connection]:
    """A process that does what it is sent; killed at the end of the block.

    It is not started by `multiprocessing`, which would import the user's own script again.
    """
    ours, theirs = Pipe()
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"from {__name__} import serve\n"
        f"serve({theirs.fileno()})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=2,  # What libraries print.
        start_new_session=True,  # Ctrl-C reaches only the parent, which ends the workers.
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},  # A GPU is for one process.
    )
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.wait()
        ours.close()


def serve(descriptor: int) -> None:
    """What a worker runs: receives a function, then numbers, and sends what it returns for each."""
    connection = Connection(descriptor)
    work = connection.recv()
    indices: queue.SimpleQueue[int] = queue.SimpleQueue()

    def receive() -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                indices.put(connection.recv())
        os._exit(1)  # The parent has ended; in the middle of a slice, too.

    threading.Thread(target=receive, daemon=True).start()
    while True:
        index = indices.get()
        try:
            result = work(index)
        except (UserError, OSError) as error:
            result = error
        except Exception:
            result = RuntimeError(f"in a worker:\n{traceback.format_exc()}")
        connection.send((index, result))

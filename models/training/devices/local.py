"""Several workers on this machine, each a process of its own: for trials.

They are not started by `multiprocessing`, which would import the user's own script again.
"""

import contextlib
import importlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from absl import logging

from ....base import progress, refused
from ....base.errors import UsageError, UserError, how_ended
from ....base.process import streams, temporary
from ..interrupts import Interrupts, Stopped

# Once one has ended badly the others are told; those that have not ended after this are killed.
_LIMIT_S = 45.0
# Of what a worker printed, this many characters are shown.
_LAST = 2000


def run(module: str, options: object, number: int) -> Any:
    """Runs a command in several processes that are workers of one cluster.

    Args:
      module: of the command; its `run` is called with the options in each process.
      options: what can be pickled.
      number: of processes.

    Returns:
      What `run` returns to the first of them, the chief.

    Raises:
      UserError: as the worker raises that ended badly first; or it was killed.
    """
    with temporary.folder() as folder, Interrupts() as interrupts:
        progress.say(f"{number} workers on this machine")
        with _started(module, options, number, folder) as workers:
            _wait(workers, interrupts)
        failed = [worker for worker in workers if worker.failed]
        first = min(failed, key=lambda worker: worker.ended, default=workers[0])
        return first.result(number, interrupts)


class _Worker:
    """A process.

    Attributes:
      ended: when it was seen to have ended.
    """

    def __init__(
        self, module: str, options: object, index: int, hosts: Sequence[str], folder: Path
    ):
        self.index, self.ended = index, 0.0
        self._answer, self._log = folder / f"{index}.answer", folder / f"{index}.log"
        task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        code = (
            f"import sys; sys.path[:] = {sys.path!r}\n"
            f"from {__name__} import work\n"
            f"work({module!r}, {str(self._answer)!r})"
        )
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=2 if index == 0 else log,
                stderr=None if index == 0 else log,
                env={**os.environ, "TF_CONFIG": json.dumps(task)},
                start_new_session=True,  # Ctrl-C reaches only this process, which tells them.
            )
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # It has ended already, as is seen later.
            self.process.stdin.write(pickle.dumps(options))
            self.process.stdin.flush()

    def is_running(self) -> bool:
        if self.process.poll() is None:
            return True
        self.ended = self.ended or time.monotonic()
        return False

    @property
    def failed(self) -> bool:
        return self.process.returncode != 0

    def result(self, number: int, interrupts: Interrupts) -> Any:
        """What it returned; raises what it raised.

        Args:
          number: of all workers.
          interrupts: of the process that started them.
        """
        result, error = None, None
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            # Of our own process, in a folder that only this user can read.
            result, error = pickle.loads(self._answer.read_bytes())  # noqa: S301
        if not self.failed:
            return result
        if error is not None:
            message, details, code, stopped_by = error
            if stopped_by:
                raise Stopped(message, stopped_by)
            where = f"worker {self.index} of {number}: " if self.index else ""
            kind = UsageError if code == UsageError.exit_code else UserError
            raise kind(f"{where}{message}", details)
        if interrupts.number:  # It was passed on before they could hear it.
            raise Stopped(
                f"{interrupts.name}: the workers have ended; the same command goes on from the "
                "last checkpoint, or begins",
                interrupts.number,
            )
        printed = ""
        if self.process.returncode > 0:  # A traceback, of which the last lines say most.
            printed = self._log.read_text(encoding="utf-8", errors="replace")[-_LAST:].strip()
        raise UserError(
            f"worker {self.index} of {number} ended {how_ended(self.process.returncode)}, and the "
            "others with it; the same command goes on from the last checkpoint"
            + (f". It printed:\n{printed}" if printed else "")
        )


@contextlib.contextmanager
def _started(module: str, options: object, number: int, folder: Path) -> Iterator[list[_Worker]]:
    hosts = [f"127.0.0.1:{port}" for port in free_ports(number)]
    workers: list[_Worker] = []
    try:
        for index in range(number):
            workers.append(_Worker(module, options, index, hosts, folder))
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
            worker.is_running()


def free_ports(number: int) -> list[int]:
    """Ports of this machine on which nobody listens, as far as can be told."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait(workers: Sequence[_Worker], interrupts: Interrupts) -> None:
    """Until all have ended; they are told once: of a signal, or that one has ended badly."""
    told, limit = False, float("inf")
    while sum(worker.is_running() for worker in workers):  # All are looked at.
        one_failed = any(worker.failed and worker.ended for worker in workers)
        if (interrupts.number or one_failed) and not told:
            told = True
            for worker in workers:
                worker.process.send_signal(interrupts.number or signal.SIGTERM)
        if one_failed:
            limit = min(limit, time.monotonic() + _LIMIT_S)
        if time.monotonic() > limit:
            return
        time.sleep(0.1)


def work(module: str, answer: str) -> None:
    """What a worker runs: reads the options, and writes what `run` returns or raises."""
    streams.settle()
    logging.set_verbosity(logging.WARNING)
    options = pickle.load(sys.stdin.buffer)  # noqa: S301 (of the process that started this one)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    result, error = None, None
    try:
        result = importlib.import_module(module).run(options)
    except Exception as raised:
        known = refused.user_error(raised)
        if known is None:
            raise
        code = known.exit_code
        error = (str(known), known.details, code, getattr(known, "number", 0))
    Path(answer).write_bytes(pickle.dumps((result, error)))
    sys.exit(error[2] if error else 0)


def _end_with_parent() -> None:
    """Saves and ends, as on SIGTERM, once the process that started this one is gone."""
    os.read(sys.stdin.fileno(), 1)  # Nothing comes: it returns at the pipe's end.
    os.kill(os.getpid(), signal.SIGTERM)

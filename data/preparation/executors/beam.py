"""Slices worked through by a runner of Apache Beam, such as a cluster.

What the work returns comes back through a file: a folder that all workers and this process
share is all that a runner has to give.
"""

import contextlib
import dataclasses
import functools
import os
import pickle
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ....base import files, progress
from ....base.errors import DataError, UserError, first_line
from .beam_runner import Runner

T = TypeVar("T")

_RESULT = ".result"
# The file that tells the other workers that one has failed.
_STOP = "stop"
# Results are counted as often as this.
_COUNTING_S = 0.5


@dataclasses.dataclass(frozen=True)
class BeamExecutor:
    """Runs slices through Beam; a `slices.Executor`.

    Attributes:
      folder: for results, seen by all workers. What is made there is gone at the end.
    """

    folder: Path
    runner: Runner

    def __call__(self, work: Callable[[int], T], count: int, title: str) -> list[T]:
        """As an executor does; a `UserError` too where the runner failed."""
        # One for each call: a worker that was given up may still write what it was asked for then.
        folder = files.ensure_folder(self.folder / uuid.uuid4().hex)
        progress.say(f"{title}: {count:,} slices for Beam's {self.runner}")
        try:
            with _counted(folder, count, title):
                self._run(functools.partial(_work, work, folder), count, title)
            return self._results(folder, count)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, work: Callable[[int], None], count: int, title: str) -> None:
        import apache_beam as beam

        try:
            with self.runner.pipeline() as pipeline:
                slices = pipeline | beam.Create(range(count)) | beam.Reshuffle()
                _ = slices | title >> beam.Map(work)
        except Exception as error:  # Each runner raises its own.
            if str(error).startswith("KeyboardInterrupt"):  # So Beam wraps it.
                raise KeyboardInterrupt from None
            raise DataError(f"Beam's runner {self.runner} failed: {_cause(error)}") from error

    def _results(self, folder: Path, count: int) -> list[Any]:
        paths = [folder / f"{index}{_RESULT}" for index in range(count)]
        results = [
            # Of our own workers, which run what this process sends them.
            pickle.loads(path.read_bytes()) if path.exists() else None  # noqa: S301
            for path in paths
        ]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if None in results:
            raise DataError(
                f"{results.count(None):,} of {count:,} results are missing in {folder}: "
                f"--beam_runner={self.runner} lost its cluster, or a worker does not see it"
            )
        return results


def _work(work: Callable[[int], object], folder: Path, index: int) -> None:
    """Does a slice and leaves its result; a runner may do it twice, or at two places at once."""
    path = folder / f"{index}{_RESULT}"
    if path.exists() or (folder / _STOP).exists():
        return
    try:
        result = work(index)
    except (UserError, OSError, KeyboardInterrupt) as error:  # To do it again would not help.
        result = error
        (folder / _STOP).touch()
    temporary = folder / f"{uuid.uuid4().hex}.part"
    temporary.write_bytes(pickle.dumps(result))
    temporary.replace(path)


@contextlib.contextmanager
def _counted(folder: Path, count: int, title: str) -> Iterator[None]:
    """Shows how many results there are, while the block lasts."""
    is_over = threading.Event()

    def show() -> None:
        seen = 0
        with progress.Progress(title, count, unit="slices") as bar:
            while not is_over.wait(_COUNTING_S):
                there = sum(name.endswith(_RESULT) for name in os.listdir(folder))
                bar.advance(there - seen)
                seen = there

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _cause(error: BaseException) -> str:
    """Beam's errors are whole tracebacks in text: the line that says what happened."""
    lines = [line.partition("[while running")[0].strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), first_line(error))

"""Slices worked through by a runner of Apache Beam, such as a cluster.

What the work returns comes back through a file: a folder that all workers and this process
share is all that a runner has to give.
"""

import dataclasses
import functools
import logging
import pickle
import shlex
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...base import files, progress
from ...base.errors import DataError, UsageError, UserError, first_line

T = TypeVar("T")

_RESULT = ".result"
# The file that tells the other workers that one has failed.
_STOP = "stop"


def require() -> Any:
    """Imports Apache Beam, or says by a `UserError` how to install it."""
    logging.disable(logging.WARNING)  # It warns of Google's libraries, which nobody needs here.
    try:
        import apache_beam

        return apache_beam
    except ImportError:
        raise UserError(
            "--beam_runner needs Apache Beam, which is not installed: pip install 'digitline[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)


@dataclasses.dataclass(frozen=True)
class BeamExecutor:
    """Runs slices through Beam; a `slices.Executor`.

    Attributes:
      folder: for results; empty or new, seen by all workers. It is empty again at the end.
      runner: Beam's name of a runner.
      options: Beam's flags for it, as on a command line.
    """

    folder: Path
    runner: str
    options: str

    def __call__(self, work: Callable[[int], T], count: int, title: str) -> list[T]:
        """As an executor does; a `UserError` too where there is no such runner, or it failed."""
        files.ensure_folder(self.folder)
        progress.say(f"{title}: {count:,} slices for Beam's {self.runner}")
        self._run(functools.partial(_work, work, self.folder), count, title)
        return self._results(count)

    def _run(self, work: Callable[[int], None], count: int, title: str) -> None:
        beam = require()
        try:
            beam.runners.runner.create_runner(self.runner)
        except (AttributeError, ImportError, ValueError) as error:
            raise UsageError(f"--beam_runner={self.runner}: {first_line(error)}") from error
        words = shlex.split(self.options)
        options = beam.options.pipeline_options.PipelineOptions(
            [word if word.startswith("--") else f"--{word}" for word in words]
        )
        try:
            with beam.Pipeline(runner=self.runner, options=options) as pipeline:
                slices = pipeline | beam.Create(range(count)) | beam.Reshuffle()
                _ = slices | title >> beam.Map(work)
        except Exception as error:  # Each runner raises its own.
            if str(error).startswith("KeyboardInterrupt"):  # So Beam wraps it.
                raise KeyboardInterrupt from None
            raise DataError(f"Beam's runner {self.runner} failed: {_cause(error)}") from error

    def _results(self, count: int) -> list[Any]:
        paths = [self.folder / f"{index}{_RESULT}" for index in range(count)]
        results = [pickle.loads(path.read_bytes()) if path.exists() else None for path in paths]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if None in results:
            raise DataError(
                f"{self.folder}: the results of {results.count(None)} workers are missing: does "
                f"every worker of --beam_runner={self.runner} see this folder?"
            )
        for path in self.folder.iterdir():
            path.unlink()
        return results


def _work(work: Callable[[int], object], folder: Path, index: int) -> None:
    """Does a slice and leaves its result; a runner may do it twice, or at two places at once."""
    if (folder / _STOP).exists():
        return
    try:
        result = work(index)
    except (UserError, OSError, KeyboardInterrupt) as error:  # To do it again would not help.
        result = error
        (folder / _STOP).touch()
    temporary = folder / f"{uuid.uuid4().hex}.part"
    temporary.write_bytes(pickle.dumps(result))
    temporary.replace(folder / f"{index}{_RESULT}")


def _cause(error: BaseException) -> str:
    """Beam's errors are whole tracebacks in text: the line that says what happened."""
    lines = [line.partition("[while running")[0].strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), first_line(error))

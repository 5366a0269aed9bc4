"""Work cut into slices, done by Apache Beam: here in one process, or on a cluster.

The work writes files, so what it returns comes back through a file too: a
folder that all workers and this process share is all that is asked of a
runner.
"""

import dataclasses
import functools
import logging
import pickle
import shlex
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...base import files, progress
from ...base.errors import DataError, UsageError, UserError, first_line

T = TypeVar("T")

# Beam's own runner within this process. (`DirectRunner` would be it too, after
# it has tried to download another one.)
_IN_PROCESS = "FnApiRunner"
_POLL_S = 0.3
_RESULT = ".result"
# The file that tells the other workers that one has failed.
_STOP = "stop"


def require() -> Any:
    """Imports Apache Beam.

    Raises:
      UserError: it is not installed; says how to install it.
    """
    logging.disable(logging.WARNING)  # It talks of Google's libraries that nobody needs here.
    try:
        import apache_beam

        return apache_beam
    except ImportError:
        raise UserError(
            "image folders, CSV files and pictures of many sizes are prepared through Apache "
            "Beam, which is not installed: pip install 'digitline[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)


def run(
    work: Callable[[int], Any],
    count: int,
    folder: Path,
    title: str,
    runner: str | None = None,
    options: str = "",
) -> list[Any]:
    """Does `work(0)` to `work(count - 1)`, in any order.

    Args:
      work: a function that can be pickled; what it raises is raised here.
      count: the number of slices.
      folder: empty or new, seen by all workers; goes when the work is done.
      title: for the progress bar.
      runner: Beam's name of a runner; this process by default.
      options: Beam's flags for it, as on a command line.

    Returns:
      What each slice returned, in order.

    Raises:
      UsageError: there is no such runner.
      DataError: the runner failed.
      UserError, OSError: as the work does.
    """
    beam = require()
    try:
        beam.runners.runner.create_runner(runner or _IN_PROCESS)
    except (AttributeError, ImportError, ValueError) as error:
        raise UsageError(f"--beam_runner={runner}: {first_line(error)}") from error
    words = [word if word.startswith("--") else f"--{word}" for word in shlex.split(options)]
    files.ensure_folder(folder)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(folder, count, title, done), daemon=True)
    watcher.start()
    try:
        settings = beam.options.pipeline_options.PipelineOptions(words)
        with beam.Pipeline(runner=runner or _IN_PROCESS, options=settings) as pipeline:
            slices = pipeline | beam.Create(range(count)) | beam.Reshuffle()
            _ = slices | title >> beam.Map(functools.partial(_work, work, folder))
    except Exception as error:  # Each runner raises its own.
        if str(error).startswith("KeyboardInterrupt"):  # So Beam wraps it.
            raise KeyboardInterrupt from None
        raise DataError(f"Beam's runner {runner or _IN_PROCESS} failed: {_cause(error)}") from error
    finally:
        done.set()
        watcher.join()
    found = {int(path.stem): path for path in folder.glob(f"*{_RESULT}")}
    results = {index: pickle.loads(path.read_bytes()) for index, path in sorted(found.items())}
    for result in results.values():
        if isinstance(result, BaseException):
            raise result
    if len(results) < count:
        raise DataError(
            f"{folder}: the results of {count - len(results)} workers are missing: does every "
            f"worker of --beam_runner={runner} see this folder?"
        )
    for path in folder.iterdir():
        path.unlink()
    return list(results.values())


@dataclasses.dataclass(frozen=True)
class Executor:
    """Runs slices through Beam; a `slices.Executor`.

    Attributes:
      folder: for results; empty or new, seen by all workers.
      runner, options: as of `run`.
    """

    folder: Path
    runner: str | None
    options: str

    def __call__(self, work: Callable[[int], T], count: int, title: str) -> list[T]:
        return run(work, count, self.folder, title, self.runner, self.options)


def _work(work: Callable[[int], Any], folder: Path, index: int) -> None:
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


def _watch(folder: Path, count: int, title: str, done: threading.Event) -> None:
    """Shows progress by the results that are there."""
    seen = 0
    with progress.Progress(title, count, unit="shards") as bar:
        while not done.wait(_POLL_S):
            found = sum(1 for _ in folder.glob(f"*{_RESULT}"))
            bar.advance(found - seen)
            seen = found


def _cause(error: BaseException) -> str:
    """Beam's errors are whole tracebacks in text: the line that says what happened."""
    lines = [line.partition("[while running")[0].strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line]
    return telling[-1] if telling else first_line(error)

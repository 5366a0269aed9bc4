"""Runs of digitline's command line that cost their work, and not 5 s of imports before it.

A process imports digitline and TensorFlow once, and forks a child for each run. No operation has
run in it, so that there is no thread of TensorFlow's that a child would miss.
"""

import contextlib
import dataclasses
import gc
import importlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

# What a run imports at some time; that one needs less is nothing to see.
_MODULES = (
    "base.tf",
    "cli.main",
    "data.prepare",
    "data.inspect",
    "data.preparation.from_arrays",
    "data.preparation.from_files",
    "data.pipeline.batches",
    "models.train",
    "models.evaluate",
    "models.evaluation.artifacts",
    "models.evaluation.runs",
    "models.training.loop",
    "models.report.command",
    "models.report.write",
    "models.report.compare",
    "export.exporter",
    "export.stages",
    "export.benchmark",
    "serving.predict",
    "serving.serve",
    "serving.service",
    "cli.list",
)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
      status: its exit status; -N after signal N, as `subprocess` has it.
      out: what it wrote to standard output.
      err: what it wrote to standard error.
      late: whether it was killed at the limit.
    """

    status: int
    out: str
    err: str
    late: bool = False


class Forks:
    """The process that is forked; it ends with this one, or with the block.

    Args:
      environment: variables that it has beside those here.
    """

    def __init__(self, environment: Mapping[str, str] | None = None):
        self._lock = threading.Lock()  # One run at a time.
        self._process = subprocess.Popen(
            [sys.executable, __file__, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the tests, not for it.
            env={"TF_NUM_INTRAOP_THREADS": "1", **os.environ, **(environment or {})},
        )

    def run(
        self,
        words: Sequence[object],
        *,
        folder: Path,
        before: Callable[[], object] | None = None,
        seconds: float = 120,
    ) -> Ended:
        """Runs `digitline` with some words, in a session of its own.

        Args:
          words: the command and its flags.
          folder: it works in.
          before: is called in the child first. It can be pickled: a function of a module on
            `sys.path` that is not a test's, or a `functools.partial` of one.
          seconds: after which it is killed with all that it has started.
        """
        request = (list(map(str, words)), str(folder), before, seconds)
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            return Ended(*pickle.load(self._process.stdout))

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_shared: list[Forks] = []


def run(
    words: Sequence[object],
    *,
    folder: Path,
    before: Callable[[], object] | None = None,
    seconds: float = 120,
) -> Ended:
    """`Forks.run` of a process that all tests here share."""
    if not _shared:
        _shared.append(Forks())
    return _shared[0].run(words, folder=folder, before=before, seconds=seconds)


def _serve() -> None:
    """What the process does: one run for each request, until there are no more."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for name in _MODULES:
        importlib.import_module(f"digitline.{name}")
    gc.collect()
    gc.freeze()  # Else the first collection in a child copies all of it.
    while True:
        try:
            words, folder, before, seconds = pickle.load(requests)
        except EOFError:
            return
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                answers.close()
                requests.close()
                _become(words, folder, before, out.fileno(), err.fileno())
            status, late = _wait(child, seconds)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="backslashreplace"))
            with contextlib.suppress(BrokenPipeError):  # Then there are no more requests.
                pickle.dump((status, *texts, late), answers)
                answers.flush()


def _become(
    words: list[str], folder: str, before: Callable[[], object] | None, out: int, err: int
) -> NoReturn:
    """Makes a child the run; it ends as a process of its own would."""
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(folder)
    main = importlib.import_module("digitline.cli.main")
    sys.argv = [str(Path(str(main.__file__)).with_name("__main__.py")), *words]
    if before is not None:
        before()
    main.main()


def _wait(child: int, seconds: float) -> tuple[int, bool]:
    """Waits for a child; returns its status, and whether it was killed at the limit."""
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    timer.join()  # The next child must not be forked beside a thread.
    with contextlib.suppress(ProcessLookupError):  # What it has started, if anything is left.
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status), killed.is_set()


if __name__ == "__main__":
    sys.path[:] = sys.argv[1:]
    _serve()

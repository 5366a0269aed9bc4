"""A model is tried in a process of its own, before it is opened in this one.

The runtimes trust what they load: a wrong byte in a file can end the process, let it hang, or take
all memory. Here that happens to the other process, which opens the model, runs its warm-up
requests, and calls each signature. Errors that the runtimes raise are none of its business: they
are raised again where the model is opened.
"""

import contextlib
import dataclasses
import math
import os
import pickle
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import psutil

from ..base import export_layout
from ..base.errors import UserError, how_ended
from ..base.manifests import AUTO, NEVER
from .flags import ServeOptions
from .process import spawned

# The process; it is started by its name, since it imports what opens models.
_PROCESS = f"{__package__}.trial_process"
# Of the memory that is free, what a trial may take if nothing else is said.
_SHARE = 0.8
_LOOK_S = 0.02  # Between two looks at its memory.
# Lines in which native code says why it gives up.
_LAST_WORDS = re.compile(rb"Check failed:.*|what\(\):.*")


class TrialError(UserError):
    """A model that must not be opened.

    Attributes:
      code: name of gRPC's status.
    """

    def __init__(self, message: str, code: str):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Question:
    """What is tried.

    Attributes:
      path: of the TFLite file, or of a version's folder with a SavedModel.
      options: how it would be served; None where it would be opened to classify images.
      platform: of the model; it says which file of a folder is served.
    """

    path: Path
    options: ServeOptions | None = None
    platform: str = ""

    @property
    def runtime(self) -> str:
        """`tflite` or `saved_model`."""
        return export_layout.SAVED_MODEL if self.path.is_dir() else export_layout.TFLITE


@dataclasses.dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]
    doing: IO[bytes]  # What it does, a line each.
    errors: IO[bytes]


class Trials:
    """Tries models; safe in any thread. Each trial has a process of its own."""

    def __init__(self, options: ServeOptions | None = None):
        """No process is started yet."""
        options = options or ServeOptions()
        self._seconds, self._megabytes = options.trial_seconds, options.trial_megabytes
        self._lock = threading.Lock()
        self._spares: dict[str, _Process] = {}
        self._running: set[_Process] = set()
        self._closed = False

    def prepare(self, runtime: str) -> None:
        """Starts the process of the next trial: it imports while this one does other things."""
        with self._lock:
            if runtime not in self._spares:
                self._spares[runtime] = _start(runtime)

    def check(self, question: Question) -> None:
        """Tries a model.

        Raises:
          TrialError: it ended the process, took too long, or too much memory.
        """
        with self._lock:
            started = self._spares.pop(question.runtime, None) or _start(question.runtime)
            self._running.add(started)
            if self._closed:
                started.process.kill()
        try:
            limit = self._megabytes * 2**20 or int(_free_bytes() * _SHARE)
            self._ask(started.process, question)
            code, trouble = self._watch(started, limit)
            if self._closed:
                raise TrialError("the server is stopping", "UNAVAILABLE")
            if code:
                raise TrialError(f"{question.path}: {_text(started, trouble)}", code)
        finally:
            with self._lock:
                self._running.discard(started)
            _end(started)

    def close(self) -> None:
        """Ends all trials."""
        with self._lock:
            self._closed = True
            for started in self._running:
                started.process.kill()
            for started in self._spares.values():
                _end(started)
            self._spares.clear()

    def _ask(self, process: subprocess.Popen[bytes], question: Question) -> None:
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # Its end tells why.
            pickle.dump((question, self._seconds), pipe)

    def _watch(self, started: _Process, limit: int) -> tuple[str, str]:
        """Waits for the end; gives a status of gRPC and what happened, or nothing."""
        process, end = started.process, math.inf
        while True:
            if end == math.inf and os.fstat(started.doing.fileno()).st_size:  # It has begun.
                end = time.monotonic() + self._seconds
            try:
                status = process.wait(_LOOK_S)
                how = f"ended the process {how_ended(status)}"
                return ("INTERNAL", how) if status else ("", "")
            except subprocess.TimeoutExpired:
                pass
            if _taken_bytes(process.pid) > limit:
                most = f"{limit / 2**20:,.0f} MB of memory, the limit (--trial_megabytes)"
                return "RESOURCE_EXHAUSTED", f"took more than {most}"
            if time.monotonic() > end:
                most = f"{self._seconds:g} s, the limit (--trial_seconds)"
                return "DEADLINE_EXCEEDED", f"took more than {most}"


def is_due(when: str, is_published: bool) -> bool:
    """Whether a model is to be tried.

    Args:
      when: the flag `--trial`.
      is_published: whether its files agree with a manifest of ours: the gate has run them.
    """
    return when != NEVER and not (when == AUTO and is_published)


def check_one(path: Path) -> None:
    """Tries a model that is opened to classify images.

    Raises:
      TrialError: it must not be opened.
    """
    trials, question = Trials(), Question(path)
    trials.prepare(question.runtime)
    try:
        if question.runtime == export_layout.SAVED_MODEL:
            from ..base import tf  # noqa: F401 (this process needs it too, and imports it meanwhile)
        trials.check(question)
    finally:
        trials.close()


def _start(runtime: str) -> _Process:
    doing, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
    process = subprocess.Popen(
        spawned.python(_PROCESS, runtime),
        stdin=subprocess.PIPE,
        stdout=doing,
        stderr=errors,
        # Else what is written while models are opened is held back, and lost.
        env={**os.environ, "DIGITLINE_TF_LOG": "1"},
    )
    return _Process(process, doing, errors)


def _end(started: _Process) -> None:
    started.process.kill()
    started.process.wait()
    for file in (started.process.stdin, started.doing, started.errors):
        assert file
        file.close()


def _text(started: _Process, trouble: str) -> str:
    """What happened, when, and what the process said of it last."""
    started.doing.seek(0)
    doing = started.doing.read().decode(errors="replace").splitlines()
    what = doing[-1] if doing else "the start of the process"
    started.errors.seek(0)
    said = started.errors.read()
    words = _LAST_WORDS.findall(said)
    if not words and (started.process.returncode or 0) > 0:  # By its own doing.
        words = said.strip().splitlines()
    last = f": {words[-1].decode(errors='replace')[:300]}" if words else ""
    return f"a trial in a process of its own failed: {what} {trouble}{last}"


def _taken_bytes(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:  # It has ended.
        return 0


def _free_bytes() -> int:
    """What the machine has free, or the container where that is less."""
    free = psutil.virtual_memory().available
    root = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # No container, or none with a limit.
        most, used = (int((root / f"memory.{name}").read_text()) for name in ("max", "current"))
        free = min(free, most - used)
    return max(free, 0)

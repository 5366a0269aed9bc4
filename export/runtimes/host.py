"""Starts the processes that runtimes run in, and hears what comes of them."""

import contextlib
import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...base import files
from ...base.errors import how_ended
from .process import Job, Outcome, words

_SCRIPT = Path(__file__).with_name("process.py")
# For a file.
_LIMIT_S = 120
_NUMBERS = itertools.count()


def run(jobs: Sequence[Job], images: Path, python: Path | None) -> list[Outcome]:
    """Runs jobs in a process; after one that ends it, the rest in another.

    Args:
      jobs: of one runtime.
      images: an npy file, uint8 [N, H, W, C]; what the process says is written beside it.
      python: another than the one that runs digitline.

    Returns:
      What came of each job. That the process ended, or gave no answer in time, is a refusal.
    """
    outcomes: list[Outcome] = []
    while len(outcomes) < len(jobs):
        rest = jobs[len(outcomes) :]
        answered, end = _run(rest, images, python)
        outcomes += answered
        if len(answered) < len(rest):
            version = outcomes[-1].version if outcomes else None
            outcomes.append(Outcome(version, end))
    return outcomes


def has_module(python: Path, module: str) -> bool:
    """Whether a Python finds a module.

    Raises:
      ValueError: it cannot be started, or is no Python.
    """
    code = f"import importlib.util; print(importlib.util.find_spec({module!r}) is not None)"
    try:
        done = subprocess.run(
            [str(python), "-c", code],
            env=_environment(python),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from None
    answers = {"True": True, "False": False}
    if done.stdout.strip() not in answers:
        said = (done.stderr.strip() or "it does not answer as a Python does").splitlines()
        raise ValueError(words(said[-1]))
    return answers[done.stdout.strip()]


def _run(jobs: Sequence[Job], images: Path, python: Path | None) -> tuple[list[Outcome], str]:
    """The outcomes until the process ended, and how it did."""
    with contextlib.ExitStack() as links:
        places = [str(links.enter_context(files.literal(Path(job.path)))) for job in jobs]
        pairs = zip(jobs, places, strict=True)
        return _answers(
            [dataclasses.replace(job, path=place) for job, place in pairs], images, python
        )


def _answers(jobs: Sequence[Job], images: Path, python: Path | None) -> tuple[list[Outcome], str]:
    path = images.with_name(f"request_{next(_NUMBERS)}.json")
    files.write_json(path, {"images": str(images), "jobs": list(map(dataclasses.asdict, jobs))})
    output, log = path.with_suffix(".jsonl"), path.with_suffix(".log")
    command = [str(python or sys.executable), str(_SCRIPT), str(path)]
    with open(output, "wb") as lines, open(log, "wb") as messages:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=lines,
            stderr=messages,
            env=_environment(python),
        )
        try:
            end = _end(process.wait(_LIMIT_S * len(jobs)), log)
        except subprocess.TimeoutExpired:
            end = f"gave no answer within {_LIMIT_S * len(jobs)} s"
        finally:
            process.kill()
            process.communicate()
    return list(_outcomes(output)), end


def _outcomes(output: Path) -> Iterator[Outcome]:
    """Up to the first line that is none: a process may have ended while it wrote one."""
    for line in output.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield Outcome(**json.loads(line))
        except (ValueError, TypeError):
            return


def _end(status: int, log: Path) -> str:
    if status < 0:
        return f"ended {how_ended(status)}"
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return words(f"ended with status {status}{': ' + said[-1] if said else ''}")


def _environment(python: Path | None) -> dict[str, str]:
    """Another Python has packages of its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if python is None or name not in ("PYTHONPATH", "PYTHONHOME")
    }

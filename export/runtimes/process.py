"""Runs models in runtimes: a script, for any Python that has NumPy and the runtime.

    python process.py REQUEST.json

The request names images, an npy file, and jobs. An answer to each goes to standard output, a line
of JSON; what libraries print there goes to standard error. It ends when its standard input does:
with the process that started it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# Images at once, where a model takes any number.
_MOST = 50
# Characters of what a runtime says.
_LONGEST = 300


@dataclasses.dataclass(frozen=True)
class Job:
    """A model to run all images through.

    Attributes:
      adapter: the name of its file.
      path: of the model.
      dtype: of the input. uint8 and float32: raw pixels; int8: those less 128.
      shape: of the input, (N, H, W, C); N is 0 where it is open.
      answer: of the npz file to write: `probabilities` float32 [N, K], and `classes` int64 [N]
        where the runtime gives them.
    """

    adapter: str
    path: str
    dtype: str
    shape: tuple[int, int, int, int]
    answer: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
      version: of the runtime; None where it could not even say that.
      refusal: why there is no answer, in the runtime's own words; None where it is written.
    """

    version: str | None
    refusal: str | None = None


def outcome(job: Job, images: np.ndarray, adapters: str) -> Outcome:
    """Runs a job; whatever the runtime raises is its refusal.

    Args:
      job: what to run.
      images: uint8 [N, H, W, C].
      adapters: the name of the package that holds them.
    """
    version = None
    try:
        adapter = importlib.import_module(f"{adapters}.{job.adapter}")
        version = adapter.version()
        run = adapter.load(job.path, job.shape)
        parts = list(_answers(run, images, job))
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        decoded: dict[str, Any] = {**_decoded(arrays)}
        np.savez(job.answer, **decoded)
    except Exception as error:  # Runtimes raise errors of any kind.
        return Outcome(version, words(f"{error}" or type(error).__name__))
    return Outcome(version)


def words(text: str) -> str:
    """What a runtime says, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _encoded(images: np.ndarray, job: Job) -> np.ndarray:
    shape = (len(images), *job.shape[1:])
    signed = images.astype(np.int16) - 128 if job.dtype == "int8" else images
    return np.ascontiguousarray(np.broadcast_to(signed, shape).astype(job.dtype))


def _answers(
    run: Callable[[np.ndarray], dict[str, np.ndarray]], images: np.ndarray, job: Job
) -> Iterator[dict[str, np.ndarray]]:
    """The outputs, part by part; the last part is filled up with the first images."""
    at_once = job.shape[0]
    step = at_once or _MOST
    for start in range(0, len(images), step):
        part = images[start : start + step]
        missing = step - len(part) if at_once else 0
        padded = np.concatenate([part, np.resize(images, (missing, *part.shape[1:]))])
        outputs = run(_encoded(padded, job))
        yield {name: np.array(value[: len(part)]) for name, value in outputs.items()}


def _decoded(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of integers, the numbers that they stand for."""
    probabilities = outputs["probabilities"]
    if probabilities.dtype == np.int8:
        probabilities = (probabilities.astype(np.float32) + 128) / 256
    decoded: dict[str, np.ndarray] = {"probabilities": probabilities.astype(np.float32)}
    if "classes" in outputs:
        decoded["classes"] = outputs["classes"].astype(np.int64)
    return decoded


def main(request_path: str) -> None:
    """Runs the jobs of a request, in their order."""
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    importlib.import_module("adapters")
    del sys.path[0]  # This folder: its files have names that others may have.
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    images = np.load(request["images"])
    for job in request["jobs"]:
        answer = outcome(Job(**job), images, "adapters")
        lines.write(json.dumps(dataclasses.asdict(answer)) + "\n")
        lines.flush()
    os._exit(0)  # What a runtime does at its end is no answer.


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])

"""Mutants of a TFLite file: which of them end a trial, and whether those that pass it are harmless.

    python tests/mutants.py FILE FOLDER COUNT SEED

Each is tried and then opened in forks of this process, which is quick: LiteRT is loaded once.
"""

import collections
import contextlib
import json
import os
import random
import resource
import signal
import sys
from pathlib import Path

import numpy as np

from digitline.base.errors import UserError
from digitline.base.export_layout import TFLITE_FILE
from digitline.serving import artifacts, trial_process
from digitline.serving.core import loading
from digitline.serving.flags import ServeOptions
from digitline.serving.trials import Question

_SECONDS, _BYTES = 10, 2**32
OPTIONS = ServeOptions(trial="never", verify=False)


def mutants(content, count, seed):
    """Copies with one to four other bytes; the same ones for the same seed."""
    generator = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(generator.choice([1, 1, 2, 4])):
            mutant[generator.randrange(len(mutant))] = generator.randrange(256)
        yield bytes(mutant)


def in_fork(work, *arguments):
    """How a fork of this process ends that does something: 0 if nothing happens to it."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    with contextlib.suppress(BaseException):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (_BYTES, _BYTES))
        signal.alarm(_SECONDS)
        status = work(*arguments) or 0
    os._exit(status)


def try_it(path):
    with contextlib.suppress(Exception):
        trial_process._try(Question(path, OPTIONS), lambda doing: None)


def serve_it(path):
    """As a server does; only what the server states may be raised."""
    try:
        servable = loading.load(path.parent, "", OPTIONS)
    except Exception:
        return
    generator = np.random.default_rng(1)
    for name, signature in servable.signatures.items():
        for rows in (1, 3):
            inputs = {
                key: generator.integers(0, 255, [size or rows for size in info.shape]).astype(
                    np.uint8
                )
                for key, info in signature.inputs.items()
            }
            with contextlib.suppress(Exception):
                servable.run(name, inputs, list(signature.outputs))


def classify_it(path):
    """As predict does: one line, or an answer."""
    try:
        classifier = artifacts.open_tflite(path, verify=False)
        classifier.run(np.zeros([2, *classifier.image_shape], np.uint8))
    except UserError as error:
        return 3 if "\n" in str(error) else 0


def main():
    """Prints how trials ended, and the mutants that passed and were not harmless."""
    content, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
    path = folder / TFLITE_FILE
    ends, harmful = collections.Counter(), []
    for number, mutant in enumerate(mutants(content, int(sys.argv[3]), int(sys.argv[4]))):
        path.write_bytes(mutant)
        end = in_fork(try_it, path)
        ends[end] += 1
        for use in (serve_it, classify_it) if end == 0 else ():
            status = in_fork(use, path)
            if status:
                harmful.append([number, use.__name__, status])
    print(json.dumps({"ends": ends, "harmful": harmful}))


if __name__ == "__main__":
    main()

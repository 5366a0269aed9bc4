"""The process in which a model is tried: it ends with status 0 if the model does it no harm."""

import contextlib
import os
import pickle
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..base.export_layout import SAVED_MODEL
from .trials import Question

_FILE_BYTES = 2**26  # Of a file that it writes: what it says must not fill the disk.
_GRACE_S = 30  # How long it may outlive its limit of time, if nobody ends it then.
_NICE = 10  # What a server answers meanwhile goes first.
# The sizes that open axes have in the calls.
_SIZES = (1, 2)


def main() -> None:
    """Tries the model that standard input names."""
    os.nice(_NICE)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What libraries print is no answer.

    def say(doing: str) -> None:
        print(doing, file=out, flush=True)

    if SAVED_MODEL in sys.argv:
        from ..base import tf  # noqa: F401 (before there is a question)
    content = sys.stdin.buffer.read()
    if not content:  # There is none.
        return
    question, seconds = pickle.loads(content)  # noqa: S301 (of the process that started this one)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_S)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # If memory runs out, this process goes first.
    with contextlib.suppress(Exception):  # Raised again where the model is opened.
        _try(question, say)
    out.close()
    sys.stderr.flush()
    os._exit(0)  # How it would be taken down is of no interest.


def _try(question: Question, say: Callable[[str], None]) -> None:
    if question.options is not None:
        _serve(question, say)
        return
    from . import artifacts

    say("opening it")
    classifier = artifacts.OPENERS[question.runtime](question.path, verify=False)
    say("a call")
    classifier.run(np.zeros([1, *classifier.image_shape], np.uint8))


def _serve(question: Question, say: Callable[[str], None]) -> None:
    from .core import loading

    assert question.options is not None
    folder = question.path if question.path.is_dir() else question.path.parent
    say("loading it and its warm-up")
    servable = loading.load(folder, question.platform, question.options)
    for name, signature in servable.signatures.items():
        say(f"a call of the signature {name!r}")
        for size in _SIZES:
            inputs = {key: _array(info, size) for key, info in signature.inputs.items()}
            with contextlib.suppress(Exception):
                servable.run(name, inputs, list(signature.outputs))


def _array(info: Any, size: int) -> np.ndarray:
    """Zeros: of all numbers those that least ask for much work."""
    from .protocol import tensors

    shape = [size if each is None else each for each in info.shape or ()]
    dtype = tensors.dtype_of(info.dtype)
    return np.full(shape, b"", object) if dtype == np.object_ else np.zeros(shape, dtype)


if __name__ == "__main__":
    main()

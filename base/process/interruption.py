"""Ctrl-C in a command: one line and exit status 130, whatever the process is at.

While a command works, Ctrl-C raises KeyboardInterrupt, as Python has it, so that what was begun is
removed. Before and after that, and while TensorFlow is imported, whose C++ code turns exceptions
into others, it ends the process at once: nothing can be lost that a kill would not lose.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

STATUS = 130
_TEXT = "interrupted; the same command again resumes or starts clean"
# The command that this process is, as a person types it, if it is one.
_typed: list[str] = []
# Where standard error leads, the last; others hold descriptor 2 back for a while.
_descriptors = [2]


def line(typed: str) -> str:
    """What is said of an interrupted command."""
    return f"{typed}: error: {_TEXT}"


def end_at_once(typed: str) -> None:
    """From now on Ctrl-C ends this process, which is a command, at once; but for `raised` blocks.

    Args:
      typed: the command, as a person types it.
    """
    _typed[:] = [typed]
    if _is_usual():
        signal.signal(signal.SIGINT, _end)


def end_silently() -> None:
    """From now on Ctrl-C ends this process at once, without a line: it was printed."""
    if _is_usual():
        signal.signal(signal.SIGINT, lambda *_: os._exit(STATUS))


def raised() -> contextlib.AbstractContextManager[None]:
    """While the block lasts, Ctrl-C raises KeyboardInterrupt."""
    return _handled_by(signal.default_int_handler)


def ending_at_once() -> contextlib.AbstractContextManager[None]:
    """While the block lasts, Ctrl-C ends the process at once, if it is a command."""
    if _typed or _is_our_binary():
        return _handled_by(_end)
    return contextlib.nullcontext()


@contextlib.contextmanager
def writing_to(descriptor: int) -> Iterator[None]:
    """While the block lasts, this is where standard error leads."""
    _descriptors.append(descriptor)
    try:
        yield
    finally:
        _descriptors.remove(descriptor)


@contextlib.contextmanager
def _handled_by(handler: Callable[..., object]) -> Iterator[None]:
    if not _is_usual():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_usual() -> bool:
    """Whether Ctrl-C is neither ignored, as in a background job, nor handled by others."""
    usual = signal.default_int_handler, _end
    is_main = threading.current_thread() is threading.main_thread()  # Python allows it only there.
    return is_main and signal.getsignal(signal.SIGINT) in usual


def _is_our_binary() -> bool:
    """Whether the process was started as `python -m digitline.…`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name.startswith(f"{__name__.partition('.')[0]}.")


def _end(*_: object) -> None:
    text = line("".join(_typed) or "digitline")
    with contextlib.suppress(OSError):
        os.write(_descriptors[-1], f"{text}\n".encode())
    os._exit(STATUS)

"""Ctrl-C and SIGTERM in training: noted, so that the loop can save before it ends."""

import contextlib
import signal
import threading
import types
from collections.abc import Callable

from ...base.errors import UserError

_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(UserError):  # noqa: N818 (it is not an error)
    """A signal stopped the run, which has saved its state. Exit status 128 + signal, as shells do.

    Args:
      message: what was saved, and how to go on.
      number: of the signal.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.exit_code = 128 + number


class Interrupts:
    """Notes signals while its block lasts; a second one has its usual effect.

    Attributes:
      number: of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Callable[..., object] | int | None] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # Python allows it only there.
            for number in _NAMES:
                # What the caller has ignored stays so: Ctrl-C, of a script's background job.
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        del frame
        self.number = number
        handler = self._before.get(number)
        with contextlib.suppress(TypeError):
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    @property
    def name(self) -> str:
        """Of the signal that came."""
        return _NAMES.get(signal.Signals(self.number), "a signal") if self.number else ""

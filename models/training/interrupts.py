"""Ctrl-C and SIGTERM in training: noted, so that the loop can save before it ends."""

import signal
import threading
import types
from collections.abc import Callable

from ...base.errors import UserError

SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Stopped(UserError):  # noqa: N818 (it is not an error)
    """A signal stopped the run, whose state is saved. Exit status 128 + signal, as of shells.

    Attributes:
      number: of the signal.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number
        self.exit_code = 128 + number


class Interrupts:
    """Notes signals while its block lasts; a second one has its usual effect.

    Attributes:
      number: of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Callable[..., object] | int] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():  # Python allows it only there.
            for number in SIGNALS:
                # What the caller has ignored stays so: Ctrl-C, of a script's background job.
                if signal.getsignal(number) != signal.SIG_IGN:
                    before = signal.signal(number, self._note)
                    self._before[number] = before or signal.SIG_DFL
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, _: types.FrameType | None) -> None:
        self.number = number
        signal.signal(number, self._before[number])

    @property
    def name(self) -> str:
        """Of the signal that came."""
        return SIGNALS[signal.Signals(self.number)] if self.number else ""

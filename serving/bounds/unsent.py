"""Answers that are being sent: whoever does not take them is cut off. On one event loop."""

import asyncio
import dataclasses
from collections.abc import Callable

# Bytes: smaller answers are not looked at. Bytes a second that a client must take.
_SMALL, _SLOWEST = 64 << 10, 64 << 10


@dataclasses.dataclass(eq=False)
class _Answer:
    size: int
    cut: Callable[[], object]
    timer: asyncio.TimerHandle


class Unsent:
    """All answers that are being sent."""

    def __init__(self, size: int, seconds: float):
        """None yet.

        Args:
          size: bytes that they may have together: the oldest is cut off for a further one.
          seconds: that a client may take for one, beside the time that its bytes take.
        """
        self._most, self._seconds = size, seconds
        self._total = 0
        self._answers: dict[_Answer, None] = {}  # The oldest first.

    def add(self, size: int, cut: Callable[[], object]) -> Callable[[], None]:
        """Begins to send an answer.

        Args:
          size: its bytes.
          cut: breaks it off.

        Returns:
          What to call when it is sent or broken off; again does no harm.
        """
        if size <= _SMALL:
            return lambda: None
        seconds = self._seconds + size / _SLOWEST
        timer = asyncio.get_running_loop().call_later(seconds, cut)
        while self._answers and self._total + size > self._most:
            oldest = next(iter(self._answers))
            self._remove(oldest)
            oldest.cut()
        answer = _Answer(size, cut, timer)
        self._answers[answer] = None
        self._total += size
        return lambda: self._remove(answer)

    def _remove(self, answer: _Answer) -> None:
        if answer in self._answers:
            del self._answers[answer]
            self._total -= answer.size
            answer.timer.cancel()

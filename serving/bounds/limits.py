"""What each request may take: time, work on the event loop, memory."""

import dataclasses
import time

import grpc

from ..protocol.status import StatusError, invalid

# A step takes about two microseconds. Those that a request may take on the event loop, and
# between two looks at the clock elsewhere:
_STEPS_HERE = 2000
_STEPS = 500


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
      body_bytes: of its body, packed and unpacked.
      depth: of lists and objects in one another in it.
      brackets: lists and objects in it: each takes about 80 bytes, even if empty. The
        10,000 test images of MNIST with a list for each pixel fit.
      rows: or examples in it.
      filled_bytes: of a tensor that is filled with the last of fewer values.
      seconds: until its answer, from its first byte; 0 for no limit.
      requests: that are answered at once; more are refused with RESOURCE_EXHAUSTED (429).
      bytes_in_flight: of the bodies of all requests at once; large ones wait for it.
    """

    body_bytes: int = 100 << 20
    depth: int = 64
    brackets: int = 8 << 20
    rows: int = 100_000
    filled_bytes: int = 16 << 20
    seconds: float = 30.0
    requests: int = 1024
    bytes_in_flight: int = 256 << 20


class ElsewhereError(Exception):
    """It takes longer than the event loop can wait: start again in the worker."""


class Effort:
    """How much more work a request's conversions may take.

    Work that goes value by value calls `tick` for each.

    Attributes:
      here: whether it is done on the event loop, which can wait for only a little.
    """

    def __init__(self, seconds: float = 0, here: bool = False):
        """Starts the clock; `seconds` until the end, 0 for none."""
        self.here = here
        self._seconds = seconds
        self._end = time.monotonic() + seconds if seconds else float("inf")
        self._steps = _STEPS_HERE if here else _STEPS

    def left(self) -> float | None:
        """Seconds to the end, at least 0; None if there is no end."""
        return max(self._end - time.monotonic(), 0) if self._seconds else None

    def go_elsewhere(self) -> None:
        """From now on the work is done beside the event loop."""
        self.here = False
        self._steps = _STEPS

    def stop(self) -> None:
        """Nobody waits for it any more: the next look at the clock ends it."""
        self._end = float("-inf")

    def tick(self, steps: int = 1) -> None:
        """Counts steps.

        Raises:
          ElsewhereError: there are too many for the event loop.
          StatusError: DEADLINE_EXCEEDED.
        """
        self._steps -= steps
        if self._steps < 0:
            if self.here:
                raise ElsewhereError
            self._steps = _STEPS
            self.check()

    def check(self) -> None:
        """Looks at the clock; raises StatusError: DEADLINE_EXCEEDED."""
        if time.monotonic() >= self._end:
            raise self.late()

    def late(self) -> StatusError:
        """Says that the time is over."""
        return StatusError(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            f"The request took longer than {self._seconds:g} seconds.",
        )


def check_rows(rows: int, most: int) -> None:
    """Raises StatusError: INVALID_ARGUMENT: a request has more rows than `most`."""
    if rows > most:
        raise invalid(
            f"The request has {rows} rows or examples; at most {most} are answered at once "
            "(--max_request_rows): send them in several requests"
        )

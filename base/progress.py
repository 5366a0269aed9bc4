"""Progress on standard error: a bar in a terminal or notebook, plain lines in a log file."""

import contextlib
import sys
import time

import tqdm

from . import addresses
from .errors import printable_lines

# Between two lines in a log file, in seconds.
_LOG_INTERVAL_S = 10.0


def say(message: str) -> None:
    """Prints one line to standard error, above a bar if there is one."""
    if sys.stderr is None:  # As in a service that has none.
        return
    with contextlib.suppress(OSError):  # That nobody hears it does not end the work.
        tqdm.tqdm.write(printable_lines(addresses.shown(message)), file=sys.stderr)
        sys.stderr.flush()


def duration(seconds: float) -> str:
    """`7.3 s`, `2 min 05 s` or `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """Progress of a known number of items; use as a context manager.

    Args:
      title: what is being done.
      total: the number of items in all.
      done: how many of them were done before (a resumed run).
      unit: what an item is called, in the plural.
    """

    def __init__(self, title: str, total: int, done: int = 0, unit: str = "images"):
        self._title, self._total, self._done, self._unit = title, total, done, unit
        self._start, self._first = time.monotonic(), done
        self._last_line = self._start
        has_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shows_bar = has_terminal or _in_notebook()
        self._bar = tqdm.tqdm(
            total=total,
            initial=done,
            desc=title,
            unit=f" {unit}",
            unit_scale=True,
            file=sys.stderr,
            leave=False,
            disable=not self._shows_bar,
            dynamic_ncols=True,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def advance(self, items: int, note: str = "") -> None:
        """Counts `items` more as done; `note` is shown beside the figures."""
        self._done += items
        if self._shows_bar:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(items)
        elif time.monotonic() - self._last_line >= _LOG_INTERVAL_S:
            self._last_line = time.monotonic()
            say(self._line(note))

    def _line(self, note: str) -> str:
        rate = (self._done - self._first) / max(time.monotonic() - self._start, 1e-9)
        left = duration((self._total - self._done) / rate) if rate else "unknown time"
        share = self._done / max(self._total, 1)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        parts = [f"{self._title}: {share:.0%}", note, f"{speed} {self._unit}/s", f"{left} left"]
        return ", ".join(part for part in parts if part)


def _in_notebook() -> bool:
    """Whether standard error is a notebook's cell, which draws a bar as a terminal does."""
    return type(sys.stderr).__module__.partition(".")[0] == "ipykernel"

"""What a reader may do with a file: take it, or refuse it by one line that names it.

Else there is a finding: another exception, a long message, a warning on the terminal,
too much time or memory. What ends or stops the process is seen by whoever started it (`fuzz`).
"""

import contextlib
import dataclasses
import os
import resource
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from digitline.base import refused
from digitline.base.errors import UserError

# A reader may take so much of the processor for a file of some kilobytes, and of memory.
SECONDS, MEGABYTES = 5.0, 600
_ROOT = Path(__file__).parents[3]
# Characters of a message beside the path: what `UserError` holds at most, and some.
_LONGEST = 4100
# Warnings that Python prints unless it is told not to.
_PRINTED = (RuntimeWarning, UserWarning, SyntaxWarning, FutureWarning)
# NumPy says so of files that it wrote under Python 2, and reads them.
_FINE = ("additional header parsing",)
# Takes what is said on the way; a file, since libraries ask for its descriptor.
_NOWHERE = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (of the process)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a reader must not do.

    Attributes:
      kind: tells findings apart: what happened, and where.
      detail: the end of the traceback, the message, or the figure.
    """

    kind: str
    detail: str


def trouble(readers: tuple[Callable[[Path], object], ...], path: Path) -> Finding | None:
    """What one of the readers does with a file that it must not do."""
    for read in readers:
        finding = _trouble(read, path)
        if finding is not None:
            return finding
    return None


def _trouble(read: Callable[[Path], object], path: Path) -> Finding | None:
    begun, memory = time.process_time(), _peak()
    finding = None
    with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stderr(_NOWHERE):
        try:
            read(path)
        except UserError as error:
            finding = _of_message(str(error), path)
        except OSError as error:
            # The command makes a line of it: what the file system refuses.
            message = refused.words(error)
            finding = _of_error(error) if message is None else _of_message(message, path)
        except Exception as error:
            finding = _of_error(error)
    seconds, megabytes = time.process_time() - begun, (_peak() - memory) / 1024
    if seconds > SECONDS:
        finding = finding or Finding(f"slow: {read.__name__}", f"{seconds:.1f} s")
    if megabytes > MEGABYTES:
        finding = finding or Finding(f"memory: {read.__name__}", f"{megabytes:,.0f} MB")
    for warning in warned:
        text = str(warning.message)
        if issubclass(warning.category, _PRINTED) and not any(fine in text for fine in _FINE):
            place = f"{Path(warning.filename).name}:{warning.lineno}"
            finding = finding or Finding(f"{warning.category.__name__} at {place}", text)
    return finding


def _of_message(message: str, path: Path) -> Finding | None:
    if len(message) > _LONGEST:
        return Finding("a long message", message[:500])
    # The folder too: some readers name what they made of the file, and that lies beside it.
    if path.name not in message and str(path.parent) not in message:
        return Finding("a message that does not name the file", message)
    return None


def _of_error(error: Exception) -> Finding:
    frames = traceback.extract_tb(error.__traceback__)
    # By the last line of the product: one fault of ours is one finding.
    ours = [frame for frame in frames if _is_ours(Path(frame.filename))]
    place = (ours or frames)[-1]
    where = f"{Path(place.filename).name}:{place.lineno} ({place.name})"
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return Finding(f"{type(error).__name__} at {where}", "".join(lines)[-1500:])


def _is_ours(path: Path) -> bool:
    if not path.is_relative_to(_ROOT) or "site-packages" in path.parts:
        return False
    return path.relative_to(_ROOT).parts[0] != "tests"


def _peak() -> int:
    """The most memory that the process had so far, in KB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

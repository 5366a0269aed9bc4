"""Folders that are looked through: one that cannot be read is named, and not taken for empty."""

import os
from collections.abc import Callable
from pathlib import Path

from .. import refused
from ..errors import first_line

# Is told of a folder that cannot be read.
Report = Callable[[OSError], object]


def below(folder: Path, depth: int, report: Report) -> list[Path]:
    """The folders at a depth below one, by name; those in it are at 1.

    Args:
      folder: of which nothing is below if it is not there.
      report: is told of each folder on the way that cannot be read.
    """
    try:
        inside = sorted(Path(entry.path) for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        report(error)
        return []
    here = [path for path in inside if os.path.isdir(path)]
    if depth == 1:
        return here
    return [path for parent in here for path in below(parent, depth - 1, report)]


def why(error: Exception) -> str:
    """Why a folder, or a file in it, cannot be used, in one line."""
    return str(refused.user_error(error) or first_line(error))

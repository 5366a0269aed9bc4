"""Tables of text, for terminals and log files."""

from collections.abc import Iterable, Sequence

import tabulate

from . import addresses


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()
) -> str:
    """Aligned columns under their headers, a dashed line between.

    Args:
      headers: one for each column.
      rows: the cells as they are shown.
      numbers: the columns, counted from 0, that are aligned to the right.
    """
    right = set(numbers)
    return tabulate.tabulate(
        [[addresses.shown(cell) for cell in row] for row in rows],
        list(headers),
        tablefmt="simple",
        colalign=["right" if column in right else "left" for column in range(len(headers))],
        disable_numparse=True,
    )


def short(words: str, length: int) -> str:
    """Words on one line, cut to `length` characters."""
    words = " ".join(words.split())
    return words if len(words) <= length else f"{words[: length - 1]}…"

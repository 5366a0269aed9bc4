"""The classes of a table: the names that occur in its label column, checked to be plausible."""

from collections.abc import Sequence
from pathlib import Path

from ....base import progress
from ....base.errors import DataError
from ....base.pixels.words import is_number
from .. import labels
from ..counted import LabelCounts

# With more different labels than this, or fewer images a class on average, the column holds
# something else; small tables may have few of each.
MAX_CLASSES, _IMAGES_A_CLASS, _FEW_CLASSES = 10_000, 2, 20
_NAMED = 5


def class_names(
    totals: LabelCounts, path: Path, column: str, is_named_label: bool, damage: str
) -> tuple[str, ...]:
    """The classes, in order.

    Args:
      totals: the number of rows by label; of those without one, under the empty name.
      path, column: where the labels are, for messages.
      is_named_label: whether the column is called so.
      damage: why a row has no label, if one has none.

    Raises:
      DataError: these cannot be labels.
    """
    rows = sum(totals.values())
    names = tuple(labels.classes((name for name in totals if name), path))
    if not names:
        raise not_labels(path, column, f"no label at all ({damage or 'no rows'})")
    if len(names) == 1:
        what = f"one value, {names[0]}, in all of {totals[names[0]]:,} rows"
        if others := totals.get(""):
            what += f" that have a label; {others:,} rows have none ({damage})"
        raise not_labels(path, column, what)
    if len(names) > max(_FEW_CLASSES, rows / _IMAGES_A_CLASS):
        raise not_labels(path, column, f"{len(names):,} different values in {rows:,} rows")
    if not is_named_label and _look_like_pixels(names):
        what = f"{len(names):,} different values up to {names[-1]}, as pixels do"
        raise not_labels(path, column, what)
    labels.say_oddities(names, path, are_classes=False)
    words = [name for name in names if not is_number(name)]
    if 0 < len(words) < len(names) / 2:
        progress.say(
            f"{path}: most labels are numbers, but not "
            + ", ".join(f"{word} ({totals[word]:,} rows)" for word in words[:_NAMED])
        )
    return names


def not_labels(path: Path, column: str, what: str) -> DataError:
    """The error for a column that holds something else."""
    return DataError(
        f"{path}: {column}, taken for the label, holds {what}: name the label's column with "
        "--label_column",
        option="label_column",
    )


def _look_like_pixels(names: Sequence[str]) -> bool:
    """Whether values are many numbers up to 255, or with many gaps between them."""
    if len(names) <= _FEW_CLASSES or not all(name.isascii() and name.isdigit() for name in names):
        return False
    largest = int(names[-1])
    return largest == 255 or 2 * len(names) < largest < 256

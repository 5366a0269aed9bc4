"""The table of measured accuracies, from what `benchmarks/accuracy.py` wrote."""

import re
from pathlib import Path
from typing import Any

from ...base import files
from ...base.errors import DataError

# What the table in the README lies between.
BEGIN, END = "<!-- results: made by digitline report --results -->", "<!-- /results -->"
_COLUMNS = (
    "network",
    "parameters",
    "the article's figure",
    "article's recipe here",
    "best recipe here",
    "training, 2 cores",
)


def read(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The measured recipes of each network, by name.

    Args:
      folder: of the files `accuracy-<network>-<recipe>.json`.

    Raises:
      DataError: there are none, or one is not of the form.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted(folder.glob("accuracy-*.json")):
        figures = files.read_json(path)
        try:
            recipes = found.setdefault(figures["model"], {})
            recipes[figures["recipe_name"]] = {**figures, "_": _row(figures)}
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: not figures of benchmarks/accuracy.py: {error}") from None
    if not found:
        raise DataError(
            f"{folder}: no accuracy-….json in it: run benchmarks/accuracy.py first, or give "
            "--results_dir"
        )
    return found


def table(found: dict[str, dict[str, dict[str, Any]]], names: tuple[str, ...]) -> str:
    """The table, in Markdown.

    Args:
      found: as `read` gives it.
      names: of the networks, in the order of the rows.
    """
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    for name in names:
        recipes = found.get(name)
        if not recipes:
            continue
        known = next(iter(recipes.values()))
        best = recipes.get("best")
        cells = [
            f"[`{name}`](models/{name}.py)",
            f"{known['parameters']:,}",
            known.get("article_accuracy", ""),
            recipes["article"]["_"] if "article" in recipes else "",
            f"**{best['_']}".replace(" %", " %**", 1) if best else "",
            _duration(best["train_seconds_median"]) if best else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
        if best and "ensemble" in best:
            lines.append(_ensemble_row(name, best))
    return "\n".join(lines)


def _ensemble_row(name: str, best: dict[str, Any]) -> str:
    number, accuracy = best["ensemble"]["of"], best["ensemble"]["accuracy"]
    cells = [
        f"`{name}`, ensemble of {number}",
        f"{number * best['parameters']:,}",
        "",
        "",
        f"**{accuracy * 100:.2f} %**",
        _duration(number * best["train_seconds_median"]),
    ]
    return f"| {' | '.join(cells)} |"


def write_into(readme: Path, text: str) -> None:
    """Puts the table between its marks.

    Raises:
      DataError: the marks are not there.
    """
    try:
        before = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{readme}: cannot be read: {error.strerror}") from None
    marks = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not marks.search(before):
        raise DataError(f"{readme}: the lines {BEGIN} and {END} are not in it")
    after = marks.sub(lambda _: f"{BEGIN}\n{text}\n{END}", before)
    if after != before:
        files.write_text(readme, after)


def _row(figures: dict[str, Any]) -> str:
    """`99.24 % (99.19 to 99.27)`: mean and range over the seeds."""
    accuracies = [run["accuracy"] for run in figures["runs"]]
    return (
        f"{figures['accuracy_mean'] * 100:.2f} % ({min(accuracies) * 100:.2f} to "
        f"{max(accuracies) * 100:.2f})"
    )


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"

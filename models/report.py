"""`digitline report`: the table of measured accuracies."""

from pathlib import Path
from typing import Any

from absl import flags

from ..base import command
from ..base.errors import UsageError
from . import registry, results

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to report")

flags.DEFINE_bool(
    "results",
    False,
    "The table of measured accuracies, from the files of benchmarks/accuracy.py.",
    **_WHAT,
)
flags.DEFINE_string(
    "results_dir", "benchmarks/results", "Folder of these files, in a checkout.", **_WHAT
)
flags.DEFINE_string(
    "readme", "README.md", "The table in it is renewed; empty to print it alone.", **_WHAT
)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Makes the table."""
    del arguments
    if not values.results:
        raise UsageError("report what? There is: --results")
    found = results.read(Path(values.results_dir))
    made = results.table(found, registry.NAMES)
    if values.readme:
        results.write_into(Path(values.readme), made)
    rows = [
        {
            "model": name,
            "recipe": recipe,
            "parameters": figures["parameters"],
            "accuracy_mean": figures["accuracy_mean"],
            "accuracies": [each["accuracy"] for each in figures["runs"]],
            "train_seconds_median": figures["train_seconds_median"],
        }
        for name in registry.NAMES
        for recipe, figures in sorted(found.get(name, {}).items())
    ]
    return {"rows": rows, "table": made, "readme": values.readme or None}


def text(result: dict[str, Any]) -> str:
    """The table."""
    return result["table"]


COMMAND = command.Command(
    name="report",
    summary="Rebuilds the README's table of accuracies from what was measured.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

"""Accuracy of a model's recipe over several seeds, on the test split.

  python benchmarks/accuracy.py --model=lenet5 --recipe=best --seeds=3

Each seed is one finished run; its test split is read once. The figures, with
the command, the versions and the date, go to benchmarks/results/.
"""

import datetime
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

from absl import app, flags

from digitline.base import command
from digitline.models import evaluate, registry, train

_MODEL = flags.DEFINE_enum("model", "lenet5", registry.NAMES, "Network.")
_RECIPE = flags.DEFINE_enum("recipe", "best", registry.RECIPES, "Recipe.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", lower_bound=1)
_FIRST_SEED = flags.DEFINE_integer("first_seed", 0, "The first of them.", lower_bound=0)
_ENSEMBLE = flags.DEFINE_bool("ensemble", False, "Also the mean of all seeds' probabilities.")
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.")
_RUNS = flags.DEFINE_string("runs", "runs/accuracy", "Folder of the runs.")

_RESULTS = Path(__file__).parent / "results"


def main(_: list[str]) -> None:
    """Trains and evaluates each seed, then writes the figures."""
    rows = []
    for seed in range(_FIRST_SEED.value, _FIRST_SEED.value + _SEEDS.value):
        workdir = f"--workdir={_RUNS.value}/{_MODEL.value}-{_RECIPE.value}-{seed}"
        flags_of_run = [f"--model={_MODEL.value}", f"--recipe={_RECIPE.value}", f"--seed={seed}"]
        trained = command.call(
            train.COMMAND, [*flags_of_run, workdir, f"--data_dir={_DATA_DIR.value}", "--noreport"]
        )
        tested = _tested_once(workdir, trained["workdir"])
        rows.append(
            {
                "seed": seed,
                "workdir": trained["workdir"],
                "accuracy": tested["accuracy"],
                "validation_accuracy": trained["validation_accuracy"],
                "train_seconds": round(trained["seconds"], 1),
            }
        )
    accuracies = [row["accuracy"] for row in rows]
    config = json.loads(Path(trained["workdir"], "config.json").read_text())
    figures = {
        "command": "python benchmarks/accuracy.py " + " ".join(argv_flags()),
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": config["packages"],
        "dataset": config["dataset"],
        "model": _MODEL.value,
        "recipe_name": _RECIPE.value,
        "recipe": config["recipe"],
        "parameters": trained["parameters"],
        "article_accuracy": registry.get(_MODEL.value).ARTICLE_ACCURACY,
        "accuracy_mean": statistics.mean(accuracies),
        "accuracy_spread": max(accuracies) - min(accuracies),
        "train_seconds_median": statistics.median(row["train_seconds"] for row in rows),
        "runs": rows,
    }
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"accuracy-{_MODEL.value}-{_RECIPE.value}.json"
    if _ENSEMBLE.value:
        together = command.call(
            evaluate.COMMAND, ["--workdir=" + ",".join(row.pop("workdir") for row in rows)]
        )
        figures["ensemble"] = {"of": len(rows), "accuracy": together["accuracy"]}
        print(f"ensemble of {len(rows)}: {together['accuracy']:.2%}")
    for row in rows:
        row.pop("workdir", None)  # Of this machine.
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(
        f"{_MODEL.value}, {_RECIPE.value}: mean {figures['accuracy_mean']:.2%}, from "
        f"{min(accuracies):.2%} to {max(accuracies):.2%} over {len(rows)} seeds, "
        f"{figures['train_seconds_median']} s each; {path}"
    )


def _tested_once(flag: str, workdir: str) -> dict[str, Any]:
    """The figures on the test split: those that the run has, or else measured now."""
    recorded = json.loads(Path(workdir, "evaluation.json").read_text())
    return recorded.get("test") or command.call(evaluate.COMMAND, [flag])


def argv_flags() -> list[str]:
    """The flags of this call, but for folders of this machine."""
    return [word for word in sys.argv[1:] if not word.startswith(("--data_dir", "--runs"))]


if __name__ == "__main__":
    app.run(main)

"""Accuracy of a model's recipe over several seeds, on the test split.

  python benchmarks/accuracy.py --model=lenet5 --recipe=best --seeds=3

Each seed is one finished run; its test split is read once. The figures, with
the command, the commit, the versions and the date, go to benchmarks/results/.
Runs that are finished already are not trained again: after a change of the
recipe or of the code, remove their folders first.
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from absl import app, flags

from digitline.base import command
from digitline.base.errors import UsageError, UserError
from digitline.models import evaluate, registry, train

_MODEL = flags.DEFINE_enum("model", "lenet5", registry.NAMES, "Network.")
_RECIPE = flags.DEFINE_enum("recipe", "best", registry.RECIPES, "Recipe.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", lower_bound=1)
_FIRST_SEED = flags.DEFINE_integer("first_seed", 0, "The first of them.", lower_bound=0)
_ENSEMBLE = flags.DEFINE_bool("ensemble", False, "Also the mean of all seeds' probabilities.")
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.")
_RUNS = flags.DEFINE_string("runs", "runs/accuracy", "Folder of the runs.")

_OUTPUT = flags.DEFINE_string(
    "output", None, "File of the figures; benchmarks/results/accuracy-<model>-<recipe>.json."
)

_ROOT = Path(__file__).parent.parent


def main(_: list[str]) -> None:
    """Trains and evaluates each seed, then writes the figures."""
    try:
        _measure(_path())
    except UserError as error:
        sys.exit(f"accuracy: {error}")


def _path() -> Path:
    """Where the figures go.

    Raises:
      UsageError: published figures of other seeds are there.
    """
    if _OUTPUT.value:
        return Path(_OUTPUT.value)
    name = f"accuracy-{_MODEL.value}-{_RECIPE.value}.json"
    path = _ROOT / "benchmarks" / "results" / name
    if path.exists():
        before = {row["seed"] for row in json.loads(path.read_text())["runs"]}
        left = before - set(range(_FIRST_SEED.value, _FIRST_SEED.value + _SEEDS.value))
        if left:
            raise UsageError(
                f"{path} has the figures of seeds {', '.join(map(str, sorted(before)))}: measure "
                "these too, or give --output=FILE"
            )
    return path


def _measure(path: Path) -> None:
    rows, reused = [], []
    for seed in range(_FIRST_SEED.value, _FIRST_SEED.value + _SEEDS.value):
        workdir = f"--workdir={_RUNS.value}/{_MODEL.value}-{_RECIPE.value}-{seed}"
        flags_of_run = [f"--model={_MODEL.value}", f"--recipe={_RECIPE.value}", f"--seed={seed}"]
        trained = command.call(
            train.COMMAND, [*flags_of_run, workdir, f"--data_dir={_DATA_DIR.value}", "--noreport"]
        )
        if trained["reused"]:
            reused.append(seed)
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
        "commit": _commit(),
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
    if _ENSEMBLE.value:
        together = command.call(
            evaluate.COMMAND, ["--workdir=" + ",".join(row.pop("workdir") for row in rows)]
        )
        figures["ensemble"] = {"of": len(rows), "accuracy": together["accuracy"]}
        print(f"ensemble of {len(rows)}: {together['accuracy']:.2%}")
    for row in rows:
        row.pop("workdir", None)  # Of this machine.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
    if reused:
        print(f"note: of seeds {', '.join(map(str, reused))} there were finished runs already")
    print(
        f"{_MODEL.value}, {_RECIPE.value}: mean {figures['accuracy_mean']:.2%}, from "
        f"{min(accuracies):.2%} to {max(accuracies):.2%} over {len(rows)} seeds, "
        f"{figures['train_seconds_median']} s each; {path}"
    )


def _tested_once(flag: str, workdir: str) -> dict[str, Any]:
    """The figures on the test split: those that the run has, or else measured now."""
    recorded = json.loads(Path(workdir, "evaluation.json").read_text())
    return recorded.get("test") or command.call(evaluate.COMMAND, [flag])


def _commit() -> str:
    """Of the working tree: what `git describe` says, with -dirty where files are changed."""
    words = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def argv_flags() -> list[str]:
    """The flags of this call, but for folders and files of this machine."""
    local = {flag.name for flag in (_DATA_DIR, _RUNS, _OUTPUT)}
    given = (flag for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0]) if flag.present)
    return [flag.serialize() for flag in given if flag.name not in local]


if __name__ == "__main__":
    app.run(main)

"""Accuracy of a network's recipe over several seeds, on the test split.

  python benchmarks/accuracy.py --model=lenet5 --recipe=best --seeds=3

Each seed is one finished run; its test split is read once. The figures, with the command, the
commit, the versions and the date, go to benchmarks/results/. Finished runs are not trained again:
after a change of the recipe or of the code, remove their folders first.
"""

import dataclasses
import statistics
import subprocess
from pathlib import Path

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.errors import UsageError
from digitline.base.files import JsonObject
from digitline.base.storage import records
from digitline.models import evaluate, registry, train

import figures
from figures import WHAT, DatasetOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(DatasetOptions):
    """What to measure."""

    model: str = flag("lenet5", "Network.", group=WHAT, words=registry.NAMES)
    recipe: str = flag("best", "Recipe.", group=WHAT, words=registry.RECIPES)
    seeds: int = flag(3, "Number of seeds.", group=WHAT, at_least=1)
    first_seed: int = flag(0, "The first of them.", group=WHAT, at_least=0)
    ensemble: bool = flag(False, "Also the mean of all seeds' probabilities.", group=WHAT)
    runs: Path = flag(Path("runs/accuracy"), "Folder of the runs.", group=WHAT)


def run(options: Options) -> JsonObject:
    """Trains and evaluates each seed, then writes the figures."""
    name = f"accuracy-{options.model}-{options.recipe}"
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    if options.output is None:
        _keep_published_seeds(figures.RESULTS / f"{name}.json", seeds)
    runs = [_run_of(seed, options) for seed in seeds]
    if reused := [str(trained["seed"]) for trained in runs if trained["reused"]]:
        progress.say(f"note: seeds {', '.join(reused)} had finished runs already")
    workdirs = [trained["workdir"] for trained in runs]
    config = records.read_json(Path(workdirs[-1], "config.json"))
    accuracies = [trained["accuracy"] for trained in runs]
    measured = ("seed", "accuracy", "validation_accuracy", "train_seconds")
    result = {
        "commit": _commit(),
        "packages": config["packages"],
        "dataset": config["dataset"],
        "model": options.model,
        "recipe_name": options.recipe,
        "recipe": config["recipe"],
        "parameters": runs[-1]["parameters"],
        "article_accuracy": registry.get(options.model).ARTICLE_ACCURACY,
        "accuracy_mean": statistics.mean(accuracies),
        "accuracy_spread": max(accuracies) - min(accuracies),
        "train_seconds_median": statistics.median(trained["train_seconds"] for trained in runs),
        "runs": [{name: trained[name] for name in measured} for trained in runs],
    }
    if options.ensemble:
        together = figures.call(evaluate.COMMAND, "--workdir=" + ",".join(workdirs))
        result["ensemble"] = {"of": len(runs), "accuracy": together["accuracy"]}
    return figures.write(name, options, (), result)


def _keep_published_seeds(path: Path, seeds: range) -> None:
    """Checks that no published figures get lost.

    Raises:
      UsageError: the results file has other seeds than those that are measured now.
    """
    published = {row["seed"] for row in records.read_json(path)["runs"]} if path.exists() else set()
    if published - set(seeds):
        raise UsageError(
            f"{path} has the figures of seeds {', '.join(map(str, sorted(published)))}: measure "
            "these too, or give --output=FILE"
        )


def _run_of(seed: int, options: Options) -> JsonObject:
    """What training printed, with the accuracy on the test split."""
    workdir = f"--workdir={options.runs}/{options.model}-{options.recipe}-{seed}"
    trained = figures.call(
        train.COMMAND,
        f"--model={options.model}",
        f"--recipe={options.recipe}",
        f"--seed={seed}",
        workdir,
        f"--data_dir={options.data_dir}",
        "--noreport",
    )
    evaluated = records.read_json(Path(trained["workdir"], "evaluation.json")).get("test")
    return {
        **trained,
        "seed": seed,
        "accuracy": (evaluated or figures.call(evaluate.COMMAND, workdir))["accuracy"],
        "train_seconds": round(trained["seconds"], 1),
    }


def _commit() -> str:
    """Of the working tree: what `git describe` says, with -dirty where files are changed."""
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            words, cwd=figures.RESULTS, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def text(result: JsonObject) -> str:
    """The mean and the range."""
    accuracies = [row["accuracy"] for row in result["runs"]]
    shown = (
        f"{result['model']}, {result['recipe_name']}: mean {result['accuracy_mean']:.2%}, from "
        f"{min(accuracies):.2%} to {max(accuracies):.2%} over {len(accuracies)} seeds, "
        f"{result['train_seconds_median']} s each"
    )
    if ensemble := result.get("ensemble"):
        shown += f"\nensemble of {ensemble['of']}: {ensemble['accuracy']:.2%}"
    return shown


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

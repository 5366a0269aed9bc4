"""`digitline benchmark pipeline`: how fast batches come, side by side with what others do."""

import statistics
from pathlib import Path
from typing import Any

from absl import flags

from digitline.base import command, progress
from digitline.base.errors import UsageError

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to measure")

flags.DEFINE_string("dataset", "mnist", "Name of a prepared dataset.", **_WHAT)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_WHAT)
flags.DEFINE_string("split", "train", "Split in TFDS's syntax.", **_WHAT)
flags.DEFINE_integer("batch_size", 128, "Images in a batch.", lower_bound=1, **_WHAT)
flags.DEFINE_integer("rounds", 5, "Epochs of each; the median counts.", lower_bound=1, **_WHAT)
flags.DEFINE_integer("padding", 2, "Black pixels added on each side.", lower_bound=0, **_WHAT)

_KINDS = ("pipeline",)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Measures; the arguments name what."""
    if len(arguments) != 1 or arguments[0] not in _KINDS:
        given = " ".join(arguments) or "nothing"
        raise UsageError(f"benchmark what? There is: {', '.join(_KINDS)}; got {given}")
    from benchmarks import pipelines as speed  # Loads TensorFlow.
    from digitline.data.dataset import open_dataset

    dataset = open_dataset(Path(values.data_dir), values.dataset)
    rows = speed.measure(
        dataset,
        values.split,
        batch_size=values.batch_size,
        padding=values.padding,
        rounds=values.rounds,
        say=progress.say,
    )
    by_name = {row["name"]: row["rounds"] for row in rows}

    def ratio(name: str, other: str) -> float:
        """The median of the ratios in each round: the machine's pace drifts between rounds."""
        pairs = zip(by_name[name], by_name[other], strict=True)
        return statistics.median(ours / theirs for ours, theirs in pairs)

    return {
        "dataset": dataset.name,
        "split": values.split,
        "batch_size": values.batch_size,
        "rounds": values.rounds,
        "rows": rows,
        "ratios": {
            "cold/tutorial": ratio("cold", "tutorial"),
            "warm/tutorial": ratio("warm", "tutorial"),
            "warm/numpy": ratio("warm", "numpy"),
        },
    }


def text(result: dict[str, Any]) -> str:
    """The table and the ratios."""
    lines = [
        f"{result['dataset']} {result['split']}, batches of {result['batch_size']}, median of "
        f"{result['rounds']} epochs",
        "",
        f"{'':<10}{'images/s':>12}{'slowest':>12}{'fastest':>12}{'peak MB':>10}",
    ]
    for row in result["rows"]:
        lines.append(
            f"{row['name']:<10}{row['images_per_s']:>12,.0f}{row['slowest']:>12,.0f}"
            f"{row['fastest']:>12,.0f}{row['peak_rss_mb']:>10,.0f}  {row['what']}"
        )
    lines += ["", *(f"{name:<14} {ratio:6.2f}" for name, ratio in result["ratios"].items())]
    return "\n".join(lines)


COMMAND = command.from_values(
    name="benchmark",
    summary="Measures in one process, side by side. pipeline: images per second of the tutorials' "
    "input pipeline, of ours in its first epoch from disk (cold) and after it (warm), and of a "
    "bare numpy loop, the practical limit.",
    flags=FLAGS,
    run=run,
    text=text,
    arguments="pipeline",
)

if __name__ == "__main__":
    command.main(COMMAND)

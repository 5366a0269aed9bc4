"""`digitline evaluate`: a trained model's accuracy on a split."""

from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UserError
from ..data.common_flags import define_max_corrupt_records

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to evaluate")

flags.DEFINE_string("workdir", "runs/lenet5", "Run folder of a finished training.", **_WHAT)
flags.DEFINE_string(
    "split",
    "test",
    "Split in TFDS's syntax. Choose between models on the validation split; the test split "
    "is for the figure that you report.",
    **_WHAT,
)
flags.DEFINE_string(
    "data_dir", None, "Root folder of prepared datasets (default: where the run found it).", **_WHAT
)
flags.DEFINE_integer(
    "batch_size", 500, "Images in a batch; no influence on the figures.", lower_bound=1, **_WHAT
)
define_max_corrupt_records(**_WHAT)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Evaluates and adds the figures to the run's `evaluation.json`."""
    del arguments
    from ..base import files
    from ..data import pipeline, salvage  # The imports here load TensorFlow.
    from .evaluation import evaluator
    from .run import Run, open_run_dataset

    folder = Run(Path(values.workdir))
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    with salvage.sound(dataset, [values.split], values.max_corrupt_records) as (shards, lost):
        batches = pipeline.evaluation_batches(
            dataset,
            values.split,
            config.preprocess,
            batch_size=values.batch_size,
            shards=shards[values.split],
        )
        figures = evaluator(model, dataset.num_classes)(batches).to_json()
    if lost:
        figures["corrupt_records"] = len(lost)
    try:
        with files.owned(folder.workdir, "training or evaluating"):
            folder.add_evaluation(values.split, figures)
    except (OSError, UserError) as error:
        progress.say(f"note: the figures are not recorded in the run folder: {error}")
    return {
        "workdir": str(folder.workdir),
        "model": config.model,
        "dataset": dataset.name,
        "split": values.split,
        "label_names": list(dataset.label_names),
        **figures,
    }


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    low, high = result["accuracy_interval_95"]
    lines = [
        f"{result['model']} on {result['dataset']} {result['split']}: accuracy "
        f"{result['accuracy']:.2%} ({result['correct']:,} of {result['examples']:,}; "
        f"95 % interval {low:.2%} to {high:.2%}), loss {result['loss']:.4f}",
        "by class: "
        + ", ".join(
            f"{name} {share:.1%}"
            for name, share in zip(result["label_names"], result["accuracy_by_class"], strict=True)
        ),
        f"next: {command.program()} export --workdir={result['workdir']}",
    ]
    return "\n".join(lines)


COMMAND = command.Command(
    name="evaluate",
    summary="Evaluates a trained model: every example of the split exactly once. The figures "
    "are added to the run's evaluation.json.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

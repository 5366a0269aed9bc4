"""`digitline evaluate`: the figures of a trained model, or of an exported one, on a split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UsageError, UserError
from ..data.flags import define_max_corrupt_records

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to evaluate (one of these)")
_DATA = command.group(FLAGS, "Data")

flags.DEFINE_list(
    "workdir",
    [],
    "Run folder of a finished training (default: runs/lenet5). Several, with commas between them, "
    "are evaluated as an ensemble: the mean of their probabilities.",
    **_WHAT,
)
flags.DEFINE_string(
    "saved_model", None, "Folder of a SavedModel, or of its versions: the newest counts.", **_WHAT
)
flags.DEFINE_string("tflite", None, "TFLite file.", **_WHAT)
flags.DEFINE_string(
    "split",
    "test",
    "Split in TFDS's syntax. Choose between models on the validation split; the test split "
    "is for the figure that you report.",
    **_DATA,
)
flags.DEFINE_string(
    "dataset",
    None,
    "With --saved_model and --tflite: name of a prepared dataset (default: the one that the model "
    "was trained on, where the artifact says so).",
    **_DATA,
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Root folder of prepared datasets (default: where the training found it).",
    **_DATA,
)
flags.DEFINE_integer(
    "batch_size", 500, "Images in a batch; no influence on the figures.", lower_bound=1, **_DATA
)
define_max_corrupt_records(**_DATA)

# So many wrongly classified images are named.
_NAMED = 20


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Evaluates; the figures of a run are added to its `evaluation.json`."""
    del arguments
    given = [name for name in ("workdir", "saved_model", "tflite") if values[name].value]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]}: give one of them")
    if given and given[0] != "workdir":
        return _of_artifact(values, given[0])
    if values.dataset:
        raise UsageError(
            "--dataset goes with --saved_model and --tflite; a run has its own dataset"
        )
    workdirs = [Path(each) for each in values.workdir or ["runs/lenet5"]]
    return _of_ensemble(values, workdirs) if len(workdirs) > 1 else _of_run(values, workdirs[0])


def _of_ensemble(values: Any, workdirs: list[Path]) -> dict[str, Any]:
    import numpy as np

    from ..data.pipeline import salvage
    from ..data.pipeline.batches import evaluation_batches
    from .evaluation.metrics import evaluator, of_probabilities
    from .run import Run, open_run_dataset

    loaded = [Run(workdir).load() for workdir in workdirs]
    first = loaded[0][0]
    dataset = open_run_dataset(first, values.data_dir)
    for workdir, (config, _) in zip(workdirs, loaded, strict=True):
        if (config.dataset["name"], config.label_names) != (dataset.name, first.label_names):
            raise UsageError(
                f"--workdir: {workdir} was trained on {config.dataset['name']}, {workdirs[0]} on "
                f"{dataset.name}: an ensemble has one dataset"
            )
    with salvage.sound([dataset.split(values.split)], values.max_corrupt_records) as (splits, _):
        found = [
            evaluator(model)(evaluation_batches(splits[0], config.preprocess, values.batch_size))
            for config, model in loaded
        ]
    probabilities = np.mean([each.probabilities for each in found], axis=0)
    return {
        "workdirs": [str(each) for each in workdirs],
        "model": f"ensemble of {len(workdirs)} ({', '.join(sorted({c.model for c, _ in loaded}))})",
        "dataset": dataset.name,
        "split": values.split,
        "label_names": list(dataset.label_names),
        "single_accuracies": [each.accuracy for each in found],
        **of_probabilities(found[0].labels, probabilities).to_json(),
    }


def _of_run(values: Any, workdir: Path) -> dict[str, Any]:
    from ..base import files
    from ..data.pipeline import salvage  # The imports here load TensorFlow.
    from ..data.pipeline.batches import evaluation_batches
    from .evaluation.metrics import evaluator
    from .run import Run, open_run_dataset

    folder = Run(workdir)
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    with salvage.sound([dataset.split(values.split)], values.max_corrupt_records) as (splits, lost):
        batches = evaluation_batches(splits[0], config.preprocess, values.batch_size)
        figures = evaluator(model)(batches).to_json()
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


def _of_artifact(values: Any, kind: str) -> dict[str, Any]:
    import numpy as np

    from ..data.dataset import open_dataset
    from ..data.pipeline import salvage
    from ..serving import artifacts as runtime
    from .evaluation.metrics import of_probabilities

    classifier = runtime.OPENERS[kind](Path(values[kind].value))
    trained_on = runtime.manifest(classifier).get("run", {})
    name = values.dataset or trained_on.get("dataset", {}).get("name")
    if not name:
        raise UsageError(f"{classifier.path} does not say what it was trained on: give --dataset")
    data_dir = values.data_dir or trained_on.get("data_dir") or "datasets"
    dataset = open_dataset(Path(data_dir), name)
    if classifier.image_shape != dataset.image_shape:
        raise UserError(
            f"{classifier.path} takes images {list(classifier.image_shape)}, those of {name} are "
            f"{list(dataset.image_shape)}"
        )
    labels, probabilities = [], []
    with salvage.sound([dataset.split(values.split)], values.max_corrupt_records) as (splits, lost):
        for images, numbers in _raw(splits[0]):
            outputs = classifier.run(images)
            if "probabilities" not in outputs:
                raise UserError(f"{classifier.path}: it gives {sorted(outputs)}, no probabilities")
            labels.append(numbers)
            probabilities.append(outputs["probabilities"])
    classes = probabilities[0].shape[1]
    if classes != dataset.num_classes:
        raise UserError(
            f"{classifier.path} knows {classes} classes, {name} has {dataset.num_classes}"
        )
    figures = of_probabilities(np.concatenate(labels), np.concatenate(probabilities)).to_json()
    if lost:
        figures["corrupt_records"] = len(lost)
    return {
        kind: str(classifier.path),
        "model": str(classifier.path),
        "dataset": dataset.name,
        "split": values.split,
        "label_names": list(dataset.label_names),
        **figures,
    }


def _raw(split: Any) -> Iterator[tuple[Any, Any]]:
    """Images uint8 [n, H, W, C] and labels int64 [n], in order, with progress."""
    from ..data.pipeline.records import decoded

    with progress.Progress(f"evaluating on {split.name}", split.examples) as bar:
        for images, labels in decoded(split):
            yield images.numpy(), labels.numpy()
            bar.advance(len(labels))


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    from .evaluation.text import class_table, confusion_matrix

    low, high = result["accuracy_interval_95"]
    names = result["label_names"]
    lines = [
        f"{result['model']} on {result['dataset']} {result['split']}: accuracy "
        f"{result['accuracy']:.2%} ({result['correct']:,} of {result['examples']:,}; "
        f"95 % interval {low:.2%} to {high:.2%}), loss {result['loss']:.4f}, calibration error "
        f"{result['calibration_error']:.2%}",
        "",
        class_table(names, result["by_class"]),
    ]
    matrix = confusion_matrix(names, result["confusion"])
    if matrix:
        lines += ["", *matrix]
    wrong = result["misclassified"]
    if wrong:
        dots = f" and {len(wrong) - _NAMED:,} more (--json)" if len(wrong) > _NAMED else ""
        lines += ["", f"misclassified, by place in {result['split']}: "
                  + ", ".join(map(str, wrong[:_NAMED])) + dots]  # fmt: skip
    if "workdir" in result:
        lines += ["", f"next: {command.program()} export --workdir={result['workdir']}"]
    return "\n".join(lines)


COMMAND = command.from_values(
    name="evaluate",
    summary="Evaluates a trained or an exported model: every example of the split exactly once. "
    "The figures of a run are added to its evaluation.json.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

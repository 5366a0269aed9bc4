"""`digitline evaluate`: the figures of a trained model, or of an exported one, on a split."""

import dataclasses
from pathlib import Path

from ..base import command, command_flags, export_layout
from ..base.command_flags import flag
from ..base.errors import UsageError
from ..data import flags
from .evaluation.result import Result, text

_WHAT, _DATA = "What to evaluate (one of these)", "Data"
_RUN = Path("runs/lenet5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What to evaluate, and on which images."""

    workdir: tuple[str, ...] = flag(
        (),
        f"Run folder of a finished training (default: {_RUN}). Several, with commas between them, "
        "are evaluated as an ensemble: the mean of their probabilities.",
        group=_WHAT,
    )
    saved_model: Path | None = flag(
        None, "Folder of a SavedModel, or of its versions: the newest counts.", group=_WHAT
    )
    tflite: Path | None = flag(None, "TFLite file.", group=_WHAT)
    split: str = flag(
        "test",
        "Split in TFDS's syntax. Choose between models on the validation split; the test split "
        "is for the figure that you report.",
        group=_DATA,
    )
    dataset: str | None = flag(
        None,
        "With --saved_model and --tflite: name of a prepared dataset (default: the one that the "
        "model was trained on, where the artifact says so).",
        group=_DATA,
    )
    data_dir: Path | None = flag(
        None,
        "Root folder of prepared datasets (default: where the training found it).",
        group=_DATA,
    )
    batch_size: int = flag(
        500, "Images in a batch; no influence on the figures.", group=_DATA, at_least=1
    )
    max_corrupt_records: int = flags.max_corrupt_records(_DATA)


FLAGS = command_flags.flag_values(EvaluateOptions)


def run(options: EvaluateOptions) -> Result:
    """Evaluates; the figures of a run are added to its `evaluation.json`."""
    from .evaluation import artifacts, runs  # They load TensorFlow.
    from .evaluation.data import Data

    artifact_paths = {
        export_layout.SAVED_MODEL: options.saved_model,
        export_layout.TFLITE: options.tflite,
    }
    chosen = [kind for kind, path in artifact_paths.items() if path]
    names = ["workdir"] * bool(options.workdir) + chosen
    if len(names) > 1:
        raise UsageError(f"--{names[0]} and --{names[1]}: give one of them")
    data = Data(options.split, options.data_dir, options.batch_size, options.max_corrupt_records)
    for kind, path in artifact_paths.items():
        if path:
            return artifacts.evaluate(kind, path, options.dataset, data)
    if options.dataset:
        raise UsageError(
            "--dataset goes with --saved_model and --tflite; a run has its own dataset"
        )
    workdirs = [Path(folder) for folder in options.workdir] or [_RUN]
    if len(workdirs) > 1:
        return runs.evaluate_ensemble(workdirs, data)
    return runs.evaluate(workdirs[0], data)


COMMAND = command.Command(
    name="evaluate",
    summary="Evaluates a trained or an exported model: every example of the split exactly once. "
    "The figures of a run are added to its evaluation.json.",
    flags=FLAGS,
    options=lambda flags, _: command_flags.read(EvaluateOptions, flags),
    run=run,
    text=text,
    to_json=Result.to_json,
)

if __name__ == "__main__":
    command.main(COMMAND)

"""The options of `digitline evaluate`."""

import dataclasses
from pathlib import Path

from ...base.command_flags import flag
from ...data import flags

_WHAT, _DATA = "What to evaluate (one of these)", "Data"
DEFAULT_RUN = Path("runs/lenet5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What to evaluate, and on which images."""

    workdir: tuple[str, ...] = flag(
        (),
        f"Run folder of a finished training (default: {DEFAULT_RUN}). Several, with commas between "
        "them, are evaluated as an ensemble: the mean of their probabilities.",
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

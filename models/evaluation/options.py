"""The options of `digitline evaluate`."""

import dataclasses
from functools import partial
from pathlib import Path

from ...base.command_flags import flag
from ...base.manifests import AUTO, TRIAL_HELP, TRIALS
from ...data import flags

_what = partial(flag, group="What to evaluate (one of these)")
_data = partial(flag, group="Data")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """What to evaluate, and on which images."""

    workdir: tuple[str, ...] = _what(
        (),
        "Run folder of a finished training (default: the newest finished run in runs). Several, "
        "with commas between them, are evaluated as an ensemble: the mean of their probabilities.",
    )
    saved_model: Path | None = _what(
        None, "Folder of a SavedModel, or of its versions: the newest counts.", remote=True
    )
    tflite: Path | None = _what(None, "TFLite file.", remote=True)
    verify: bool = _what(
        True, "Refuse an export of digitline whose files are not those in its manifest."
    )
    trial: str = _what(AUTO, TRIAL_HELP, words=TRIALS)
    split: str | None = _data(
        None,
        "Split in TFDS's syntax (default: test, or where the dataset has none, the run's "
        "validation split). Choose between models on the validation split; the test split is for "
        "the figure that you report.",
    )
    corruptions: bool = _data(
        False,
        "Also the accuracy on the images corrupted in 15 ways at five strengths (noise, blur, "
        "turns, light, lines, JPEG): 75 more passes over the split.",
    )
    corruption_seed: int = _data(
        0, "With --corruptions: seed of what is random in them.", at_least=0
    )
    dataset: str | None = _data(
        None,
        "With --saved_model and --tflite: name of a prepared dataset (default: the one that the "
        "model was trained on, where the artifact says so).",
    )
    data_dir: Path | None = _data(
        None,
        "Root folder of prepared datasets (default: where the training found it). A dataset of "
        "other images than the run's, prepared again since, is admitted only where this names it.",
        remote=True,
    )
    batch_size: int = _data(500, "Images in a batch; no influence on the figures.", at_least=1)
    max_corrupt_records: int = flags.max_corrupt_records("Data")

"""The options of `digitline train`.

Four groups of them are dataclasses of their own, which go on as they are: `Recipe` and
`PipelineConfig` into the run's configuration, `Settings` to the training loop, `OwnFiles` to the
preparation of --data.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from absl.flags import FlagValues

from ...base import command_flags
from ...base.errors import UsageError
from ...data import flags
from ...data.preparation.own_files import OwnFiles
from .. import registry
from ..recipe import PipelineConfig, Recipe

AUTO = "auto"
STRATEGIES = ("auto", "one", "mirrored", "multi_worker", "tpu")

_what = partial(command_flags.flag, group="What to train")
_data = partial(command_flags.flag, group="Data")
_how = partial(command_flags.flag, group="How it runs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How a run is carried out; none of it changes a step.

    When it ends, and which weights are the best, depend on the validations, and so on
    how often there is one.
    """

    log_steps: int = _how(100, "Steps between two rows of metrics.jsonl, at most.", at_least=1)
    validation_epochs: float | None = _how(
        None,
        "Epochs between two validations (default: 1, and as many as it takes for 10 steps).",
        at_least=1e-3,
    )
    checkpoint_interval_s: float = _how(
        5.0, "Seconds between two checkpoints; a killed run loses no more than that.", at_least=0.0
    )
    keep_checkpoints: int = _how(
        2,
        "Checkpoints that stay, beside the best one: where the newest is damaged, the one before "
        "is used.",
        at_least=1,
    )
    max_minutes: float = _how(
        0.0,
        "End the run after this many minutes of training, over all its sessions; 0 for no limit.",
        at_least=0.0,
    )
    strategy: str = _how(
        "auto",
        "Where the steps run: one, the first device; mirrored, all GPUs of this machine (where "
        "there are none, all its logical CPU devices); multi_worker, all workers of the cluster "
        "that TF_CONFIG, Slurm or an indexed Job of Kubernetes states; tpu. auto: multi_worker "
        "where a cluster is stated, else mirrored where there are several GPUs, else one.",
        words=STRATEGIES,
    )
    join_minutes: float = _how(
        10.0,
        "With several workers, how many minutes those that are there wait for the others before "
        "they end.",
        at_least=0.0,
    )
    xla: bool = _how(
        False,
        "Compile the steps with XLA. On a GPU they may be faster; on a processor convolutions are "
        "slower.",
    )
    tensorboard: bool = _how(
        False,
        "Write scalars for TensorBoard, into <workdir>/tensorboard; with --report, at the end, the "
        "confusion matrix, the misclassified images and the projector's data too.",
    )
    cache_dir: Path | None = _data(None, "Folder of the cache file (default: <workdir>/cache).")
    data_service: str | None = _data(
        None,
        "grpc://HOST:PORT of a data service (digitline data_service) that makes the training "
        "batches. Its workers must see the cache file under the same path.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What to train, and how.

    Attributes:
      changes: fields of the recipe that take another value than the recipe's own.
    """

    model: str = _what(
        AUTO,
        "Network to train. auto: lenet5 for images like MNIST's and small grey ones; the "
        "pretrained efficientnet_lite0 for up to 20,000 pictures of things; convnet3 for all "
        "others. It is said which, and why.",
        words=(AUTO, *registry.NAMES),
    )
    recipe: str = _what(
        "best",
        "article: the article's own hyperparameters. best: the same layers, trained better.",
        words=registry.RECIPES,
    )
    workdir: Path | None = _what(
        None,
        "Run folder, or its address, such as s3://bucket/folder (default: runs/<dataset>/<model>).",
        remote=True,
    )
    init_from: Path | None = _what(
        None,
        "Begin with the weights of this finished run, or of this .keras file, of the same network. "
        "Where the classes differ the last layer is new.",
        remote=True,
    )
    seed: int = _what(0, "Seed of the weights and of the order.", at_least=0, at_most=2**31 - 1)
    overwrite: bool = _what(False, "Delete the run in --workdir and train again.")
    extend: bool = _what(
        False,
        "Go on with a run of fewer --epochs or --max_steps although its schedule depends on the "
        "length: it is stretched. (With a constant or a step schedule and no warm-up a longer run "
        "goes on without this, and ends as if it had been that long from the beginning.)",
    )

    dataset: str = _data("mnist", "Name of a prepared dataset.")
    data: Path | None = _data(
        None,
        "Your own images instead: a folder with one folder of pictures for each class; an .npz "
        "file of x_train, y_train, x_test and y_test, or of images and labels; a .csv file; or an "
        "archive of these (zip, tar). They are prepared first, as digitline prepare does, and "
        "again when they, or the options below, have changed. Where they have no validation "
        "split, a tenth of each class is cut off for it.",
        remote=True,
    )
    data_dir: Path = flags.data_dir("Data")
    train_split: str | None = _data(
        None,
        "Split to train on, in TFDS's syntax, or a part of each class such as 'train[10%: by "
        "class]' (default: what --validation_split's default leaves; for MNIST train[5000:]).",
    )
    validation_split: str | None = _data(
        None,
        "Split to validate on (default: the dataset's own, or else a tenth of each class of train, "
        "'train[:10% by class]'; for MNIST train[:5000]).",
    )
    mix: tuple[str, ...] = _data(
        (),
        "Other prepared datasets to train on too, name:weight,…; --dataset has the weight 1. "
        "Their shapes and classes must be the same.",
    )
    max_corrupt_records: int = flags.max_corrupt_records("Data")

    report: bool = _how(
        True,
        "At the end write report.html and figures/ into the run folder, as digitline report does.",
    )
    dry_run: bool = _how(
        False,
        "Try everything with two batches in a temporary folder; leaves nothing but the dataset "
        "that --data prepares.",
    )

    local_workers: int = _how(
        1,
        "Start this many workers on this machine, for trials of --strategy=multi_worker.",
        at_least=1,
    )

    changes: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    pipeline: PipelineConfig = PipelineConfig()
    settings: Settings = Settings()
    files: OwnFiles = OwnFiles()


FLAGS = command_flags.flag_values(TrainOptions, PipelineConfig, Settings)
command_flags.define(Recipe, FLAGS, default=None)
command_flags.define(OwnFiles, FLAGS, group="Your own images (with --data)")


def from_flags(flags: FlagValues, _: list[str]) -> TrainOptions:
    """The options that parsed flags state.

    Raises:
      UsageError: they contradict each other.
    """
    refuse_contradictions({name: flags[name].value for name in flags if flags[name].present})
    names = (field.name for field in dataclasses.fields(Recipe))
    changes = {name: flags[name].value for name in names if flags[name].value is not None}
    return command_flags.read(
        TrainOptions,
        flags,
        changes=changes,
        pipeline=command_flags.read(PipelineConfig, flags),
        settings=command_flags.read(Settings, flags),
        files=command_flags.read(OwnFiles, flags),
    )


def refuse_contradictions(stated: Mapping[str, object]) -> None:
    """Refuses options that do not go together, by a `UsageError`.

    Args:
      stated: the values of those that are stated, by name.
    """
    data = stated.get("data")
    if data and "dataset" in stated:
        raise UsageError(f"--data={data} and --dataset={stated['dataset']}: give one of them")
    for field in dataclasses.fields(OwnFiles):
        if field.name in stated and not data:
            raise UsageError(f"--{field.name} goes with --data, your own images")

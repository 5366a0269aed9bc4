"""`digitline prepare`: raw images to sharded TFRecords in an ordinary TFDS folder."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import command, command_flags, configs, progress, tables
from ..base.files import JsonObject
from ..base.storage import staging
from . import listing, next_steps
from .metadata import LeftOut, Survey
from .preparation import folder, kinds, source_state
from .preparation.request import NPZ, PUBLIC, Outcome, Request

if TYPE_CHECKING:  # It loads TensorFlow.
    from .dataset import Dataset

FLAGS = command_flags.flag_values(Request)
# This many classes are shown.
_CLASSES = 20


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset that is prepared now.

    Attributes:
      reused: whether it was prepared before.
      seconds: the time that this took.
      directory: the TFDS folder that holds the TFRecords.
      fingerprint: tells its content from another.
      image_shape: (height, width, channels).
      splits: the number of examples by split.
      origin: where the images came from, in words; None of one that was prepared before.
      corrupt_images: the number of pictures or rows that were left out; None where none may be.
      corrupt_files: the first of them.
      left_out: what else lies among the pictures and is not used, by kind.
      class_counts: the images of each class by split; empty where TFDS or an earlier version
        prepared it.
      warnings: what is worth a look; `inspect` shows more.
    """

    reused: bool
    seconds: float
    dataset: str
    version: str
    directory: Path
    fingerprint: str
    image_shape: tuple[int, int, int]
    num_classes: int
    splits: dict[str, int]
    origin: str | None = None
    corrupt_images: int | None = None
    corrupt_files: tuple[str, ...] | None = None
    left_out: tuple[LeftOut, ...] = ()
    label_names: tuple[str, ...] = ()
    class_counts: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def data_dir(self) -> Path:
        """The root folder of prepared datasets."""
        return self.directory.parents[self.dataset.count("/") + 1]


def run(request: Request) -> Prepared:
    """Prepares a dataset, or finds it prepared."""
    start = time.monotonic()
    request.check()
    folder.recover(request.data_dir, request.prepared_name)
    for source in filter(None, (request.source_dir, request.source_file)):
        staging.stage(source)
    request = kinds.with_pictures(request)
    data_dir, name = request.data_dir, request.prepared_name
    from . import dataset  # The imports from here on load TensorFlow.
    from .pipeline import unchanged
    from .preparation import from_arrays, from_files

    if listing.newest(data_dir, name) and not request.overwrite:
        prepared = dataset.open_dataset(data_dir, name)
        unchanged.require_prepared([prepared.split(each) for each in prepared.split_names])
        if request.kind != PUBLIC:
            source_state.check_same(
                request.recorded_source(),
                prepared.metadata,
                prepared.directory,
                request.max_corrupt_images,
            )
        elif request.source_dir is not None:
            from_arrays.check_same(request, prepared)
        elif from_arrays.is_transposed(prepared):
            outcome = from_arrays.make_upright(prepared, request)
            return _result(start, dataset.open_dataset(data_dir, name), outcome)
        if request.asked_by == "prepare":
            progress.say(
                f"{name} is prepared already in {prepared.directory}; --overwrite prepares it again"
            )
        return _result(start, prepared, None)
    request = kinds.unpacked(request)
    makers = {PUBLIC: from_arrays.prepare_public, NPZ: from_arrays.prepare_npz}
    outcome = makers.get(request.kind, from_files.prepare)(request)
    return _result(start, dataset.open_dataset(data_dir, name), outcome)


def _result(start: float, prepared: "Dataset", outcome: Outcome | None) -> Prepared:
    from .preparation import survey

    metadata = prepared.metadata
    damaged, found = metadata.damaged, metadata.survey or Survey()
    if outcome and metadata.survey is None:
        found = survey.of_prepared(prepared)
    return Prepared(
        reused=outcome is None,
        seconds=time.monotonic() - start,
        dataset=prepared.name,
        version=prepared.version,
        directory=prepared.directory,
        fingerprint=prepared.fingerprint,
        image_shape=prepared.image_shape,
        num_classes=prepared.num_classes,
        splits={name: prepared.split(name).examples for name in prepared.split_names},
        origin=outcome.origin if outcome else None,
        corrupt_images=damaged.count if damaged else None,
        corrupt_files=damaged.first if damaged else None,
        left_out=metadata.left_out,
        label_names=prepared.label_names,
        class_counts=found.class_counts,
        warnings=found.warnings,
    )


def summary(result: Prepared) -> str:
    """What was found, for a person."""
    splits = ", ".join(f"{name} {count:,}" for name, count in result.splits.items())
    shape = "x".join(map(str, result.image_shape))
    lines = [f"left out: {kind}" for kind in result.left_out]
    if result.corrupt_images:
        lines.append(f"left out, since they do not decode: {result.corrupt_images:,}")
        lines += [f"  {cause}" for cause in result.corrupt_files or ()]
    if result.class_counts:
        rows = [
            (
                tables.short(name, 40),
                *(f"{counts[label]:,}" for counts in result.class_counts.values()),
            )
            for label, name in enumerate(result.label_names[:_CLASSES])
        ]
        lines.append(tables.table(("class", *result.class_counts), rows, range(1, 4)))
        if len(result.label_names) > _CLASSES:
            lines.append(f"… and {len(result.label_names) - _CLASSES:,} more classes")
    lines += [f"warning: {warning}" for warning in result.warnings]
    if result.warnings:
        inspect = ("inspect", f"--dataset={result.dataset}", f"--data_dir={result.data_dir}")
        lines.append(f"{command.command_line(*inspect)} shows more")
    lines += [
        f"{result.dataset} {result.version}: {splits}; images {shape}, "
        f"{result.num_classes} classes",
        f"in {result.directory}",
    ]
    return "\n".join(lines)


def text(result: Prepared) -> str:
    """The result for a person, and how to go on."""
    train = next_steps.train(result.dataset, result.data_dir)
    return f"{summary(result)}\nnext: {train}"


def to_json(result: Prepared) -> JsonObject:
    """The result for `--json`: what does not apply is left out."""
    return {key: value for key, value in configs.to_config(result).items() if value is not None}


COMMAND = command.Command(
    name="prepare",
    summary="Turns raw images into sharded TFRecords in an ordinary TFDS folder. What comes in "
    "is checked against the dataset's known digests before anything is kept.",
    flags=FLAGS,
    options=lambda flags, _: command_flags.read(Request, flags),
    run=run,
    text=text,
    to_json=to_json,
)

if __name__ == "__main__":
    command.main(COMMAND)

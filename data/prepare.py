"""`digitline prepare`: raw images to sharded TFRecords in an ordinary TFDS folder."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import command, command_flags, configs, progress
from ..base.files import JsonObject
from . import listing
from .preparation import kinds, source_state
from .preparation.request import NPZ, PUBLIC, Outcome, Request
from .preparation.source_state import LEFT_OUT
from .sources.slices import LeftOut

if TYPE_CHECKING:  # It loads TensorFlow.
    from .dataset import Dataset

FLAGS = command_flags.flag_values(Request)
# This many pictures that do not decode are named in the result; all are counted.
_LISTED = 100


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


def run(request: Request) -> Prepared:
    """Prepares a dataset, or finds it prepared."""
    start = time.monotonic()
    request.check()
    data_dir, name = request.data_dir, request.prepared_name
    from . import dataset  # The imports from here on load TensorFlow.
    from .preparation import from_arrays, from_files

    if listing.newest(data_dir, name) and not request.overwrite:
        prepared = dataset.open_dataset(data_dir, name)
        if request.kind != PUBLIC:
            source_state.check_same(
                request.recorded_source(), prepared.metadata, prepared.directory
            )
        elif request.source_dir is None and from_arrays.is_transposed(prepared):
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
    damaged = outcome.damaged if outcome else None
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
        corrupt_images=None if damaged is None else len(damaged),
        corrupt_files=None if damaged is None else damaged[:_LISTED],
        left_out=tuple(
            configs.from_config(LeftOut, kind) for kind in prepared.metadata.get(LEFT_OUT, ())
        ),
    )


def summary(result: Prepared) -> str:
    """What was found, for a person."""
    splits = ", ".join(f"{name} {count:,}" for name, count in result.splits.items())
    shape = "x".join(map(str, result.image_shape))
    lines = [f"left out: {kind}" for kind in result.left_out]
    if result.corrupt_images:
        lines.append(f"left out, since they do not decode: {result.corrupt_images:,}")
        lines += [f"  {cause}" for cause in result.corrupt_files or ()]
    lines += [
        f"{result.dataset} {result.version}: {splits}; images {shape}, "
        f"{result.num_classes} classes",
        f"in {result.directory}",
    ]
    return "\n".join(lines)


def text(result: Prepared) -> str:
    """The result for a person, and how to go on."""
    data_dir = result.directory.parents[result.dataset.count("/") + 1]
    train = ("train", f"--dataset={result.dataset}", f"--data_dir={data_dir}")
    return f"{summary(result)}\nnext: {command.command_line(*train)}"


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

"""Image folders, CSV files and pictures of TFDS to datasets of one size: planned and written."""

import dataclasses
from pathlib import Path
from typing import Any

from ...base import files, progress
from ...base.errors import DataError, UsageError
from ..sources.slices import Executor
from . import beam
from .request import RESIZED, Request, make_cut

_VERSION = "1.0.0"
# At least so many shards, and more where one would be larger than this, in bytes.
_SHARDS, _SHARD_BYTES = 8, 256 << 20


def prepare(asked: Request, data_dir: Path, overwrite: bool) -> list[str]:
    """Prepares the dataset.

    Returns:
      What could not be read and was passed over.

    Raises:
      UserError: Beam is missing, or the data or a flag is wrong.
    """
    beam.require()
    target = (data_dir / asked.name).resolve()
    source_dir = asked.source_dir and asked.source_dir.resolve()
    source_file = asked.source_file and asked.source_file.resolve()
    if asked.beam_runner:  # Its workers have other working directories.
        data_dir = data_dir.resolve()
        asked = dataclasses.replace(asked, source_dir=source_dir, source_file=source_file)
    if asked.kind == "image_folder" and source_dir in (target, *target.parents):
        raise UsageError(
            f"{target}: the dataset would be made among its own pictures; choose another "
            "--data_dir or --name"
        )
    recorded = asked.source  # Before a file is read: what changes meanwhile is noticed next time.
    from . import folder as builders  # They load TensorFlow.
    from . import dataset_writer

    if asked.kind == RESIZED:
        asked = dataclasses.replace(asked, source_dir=_tfds_folder(asked, data_dir))

    with (
        builders.preparing(data_dir, asked.name),
        builders.making(data_dir, asked.name, _VERSION, overwrite) as root,
    ):
        # Below `root`, since all workers see that.
        plan = {"image_folder": _folder_source, "csv": _csv_source}.get(asked.kind, _tfds_source)
        folder = files.ensure_folder(root / "plan")
        executor = beam.Executor(folder / "results", asked.beam_runner, asked.beam_options)
        source = plan(asked, folder, executor)
        shape = "x".join(map(str, source.image_shape))
        progress.say(f"{asked.name}: images {shape}, {len(source.label_names)} classes")
        settings = dataset_writer.Settings(
            name=asked.name,
            version=_VERSION,
            metadata={"origin": asked.origin, "source": recorded},
            description=f"{asked.name}, from {asked.origin}",
            max_damaged=asked.max_damaged,
            runner=asked.beam_runner,
            options=asked.beam_options,
        )
        return dataset_writer.write(source, settings, root)


def _folder_source(asked: Request, folder: Path, executor: Executor) -> Any:
    from ..sources import folder_layout, image_folder

    assert asked.source_dir is not None  # `request` has seen to it.
    layout = folder_layout.look(asked.source_dir)
    folder_layout.say_what_is_left_out(layout)
    cut = make_cut(asked, set(layout.roots))
    return image_folder.plan(
        layout,
        cut,
        asked.num_shards,
        asked.image_size,
        asked.channels,
        folder,
        _slices_for,
        executor,
    )


def _csv_source(asked: Request, folder: Path, executor: Executor) -> Any:
    from ..sources import csv_images, csv_layout

    paths = {"train": asked.source_file} if asked.source_file else None
    opened, shapes = [], {}
    for split, path in (paths or csv_layout.find(asked.source_dir or Path())).items():
        file = csv_layout.look(path, split)
        shape = csv_layout.image_shape(file, asked.image_size, asked.channels)
        if shape is None and split == "train":
            raise DataError(f"{path}: its rows have no label column: expected label,pixel0,…")
        if shape is None:
            progress.say(f"{path} is left out: its rows have no label column")
            continue
        opened.append(file)
        shapes[split] = shape
    other = next((file for file in opened if shapes[file.split] != shapes["train"]), None)
    if other is not None:
        raise DataError(
            f"{other.path}: its images are {list(shapes[other.split])}, those of the training "
            f"file {list(shapes['train'])}: they do not belong together"
        )
    cut = make_cut(asked, set(shapes))
    return csv_images.plan(opened, shapes["train"], cut, asked.num_shards, _slices_for, executor)


def _tfds_folder(asked: Request, data_dir: Path) -> Path:
    """The folder that TFDS made; it makes one first if there is none."""
    from .. import dataset
    from . import by_tfds as tfds_source

    assert asked.source_dir is not None  # `request` has seen to it.
    name = asked.source_dir.resolve().relative_to(data_dir.resolve()).as_posix()
    found = dataset.newest(data_dir, name)
    if found is None:
        tfds_source.prepare(name, data_dir, asked.num_shards or _SHARDS, False, any_size=True)
        found = dataset.newest(data_dir, name)
    if found is None:
        raise DataError(f"TFDS has prepared {name} elsewhere than in {data_dir / name}")
    progress.say(f"the pictures are in {found}; writing a copy of one size")
    return found


def _tfds_source(asked: Request, folder: Path, executor: Executor) -> Any:
    from ..sources import tfds_folder

    assert asked.source_dir is not None
    return tfds_folder.plan(
        asked.source_dir,
        asked.image_size,
        asked.channels,
        lambda given: make_cut(asked, given),
        executor,
    )


def _slices_for(images: int, image_bytes: int) -> int:
    """The number of slices by default."""
    by_size = -(-images * image_bytes // _SHARD_BYTES)
    return max(1, min(images, max(_SHARDS, by_size)))

"""Image folders, CSV files and pictures of TFDS to datasets of one size: planned and written."""

import dataclasses
from pathlib import Path

from ...base import configs, files, progress
from ...base.errors import DataError, UsageError
from .. import listing, source_files
from ..metadata import PICTURES
from ..sources import image_folder, tfds_folder
from ..sources.slices import NUM_SHARDS, Executor, ReadOptions, Source
from ..sources.tables import csv_images, file_table
from . import by_tfds, dataset_writer, folder
from .executors import beam, beam_runner, local
from .request import CSV, IMAGE_FOLDER, RESIZED, Outcome, Request
from .source_state import FILES, LEFT_OUT


def prepare(request: Request) -> Outcome:
    """Prepares the dataset.

    Raises:
      UserError: the data or an option is wrong, or Beam is missing where it is asked for.
    """
    runner = None
    if request.beam_runner:
        runner = beam_runner.find(request.beam_runner, request.beam_options)
        options = ("data_dir", "source_dir", "source_file", "unpacked", "unpacked_pictures")
        paths = {name: path.resolve() for name in options if (path := getattr(request, name))}
        request = dataclasses.replace(request, **paths)  # Workers have other working directories.
    name, place = request.prepared_name, request.place
    target = (request.data_dir / name).resolve()
    if request.kind == IMAGE_FOLDER and place.resolve() in (target, *target.parents):
        raise UsageError(
            f"{target}: the dataset would be made among its own pictures; choose another "
            "--data_dir or --name",
            option="name",
        )
    made = _made_by_tfds(request) if request.kind == RESIZED else None
    # Before a file is read: what changes meanwhile is noticed next time.
    recorded = request.recorded_source()
    if made:
        content = made
        origin = f"TFDS's {content}"
        num_bytes = sum(path.stat().st_size for path in content.iterdir())
    else:
        content = request.content
        origin = request.origin
        num_bytes = (recorded[FILES] or {"bytes": 0})["bytes"]

    with folder.making(request.data_dir, name, request.version, request.overwrite) as root:
        executor = _executor(runner, root / "results", num_bytes)
        source = _source(request, content, executor, files.ensure_folder(root / "plan"))
        shape = "x".join(map(str, source.image_shape))
        progress.say(f"{name}: images {shape}, {len(source.label_names)} classes")
        metadata = {"origin": origin, "source": recorded}
        if isinstance(source, image_folder.FolderSource):
            metadata |= source_files.root_metadata(source.root)
            if source.left_out:
                metadata[LEFT_OUT] = [dataclasses.asdict(kind) for kind in source.left_out]
        if isinstance(source, csv_images.CsvSource):
            pictures = request.pictures(source.image_shape, source.factor)
            metadata[PICTURES] = configs.to_config(pictures)
        dataset_writer.write(source, request, root, executor, metadata)
    return Outcome(origin)


def _executor(runner: beam_runner.Runner | None, results: Path, num_bytes: int) -> Executor:
    if runner:
        return beam.BeamExecutor(results, runner)
    return local.executor_for(num_bytes)


def _source(request: Request, place: Path, executor: Executor, plan: Path) -> Source:
    options = ReadOptions(
        image_size=request.size,
        channels=request.depth,
        fit=request.fit,
        digits=request.digits,
        num_shards=request.num_shards,
        cut=request.cut,
        executor=executor,
        folder=plan,
        label_column=request.label_column,
        largest_square=request.largest_square,
    )
    if request.pictures_of_table:
        return file_table.plan(place, request.pictures_of_table, options)
    module = {IMAGE_FOLDER: image_folder, CSV: csv_images, RESIZED: tfds_folder}[request.kind]
    return module.plan(place, options)


def _made_by_tfds(request: Request) -> Path:
    """The folder that TFDS made; it makes one first if there is none."""
    name, data_dir = request.dataset, request.data_dir
    folder.recover(data_dir, name)
    directory = listing.newest(data_dir, name)
    if directory is None:
        num_shards = request.num_shards or NUM_SHARDS
        by_tfds.prepare(name, data_dir, num_shards, overwrite=False, any_size=True)
        directory = listing.newest(data_dir, name)
    if directory is None:
        raise DataError(f"TFDS has prepared {name} elsewhere than in {data_dir / name}")
    progress.say(f"the pictures are in {directory}; writing a copy of one size")
    return directory

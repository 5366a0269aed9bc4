"""Slices of a source to a dataset in an ordinary TFDS folder, in flat memory.

A worker reads its slice of the source once and writes one shard of each split. The folder
is read by plain `tfds.builder_from_directory`. Unlike in what TFDS would write,

- records stay in the source's order: MNIST's "test image 4,711" is the same to everybody;
- pixels are raw bytes, not PNG: about twice the size on disk, but nothing to decode.

TFDS's own `ShardBasedBuilder` keeps every example of a shard until it is closed, reads
again for each further split, and gives a worker no way to report what it skipped. So the
shards are written here, and TFDS writes the metadata.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import addresses, configs
from ...base.errors import DataError
from ...base.files import JsonObject
from ...base.tf import tfds
from ...base.tfrecord import FRAME_BYTES
from .. import source_files
from ..inspection import split_classes
from ..metadata import FINGERPRINT, PICTURES
from ..sources.slices import Executor, Source
from ..sources.stratify import SPLITS
from . import survey
from .request import Request
from .shard_writer import MODULUS, WrittenSlice, refuse_damaged, write_slice
from .source_state import SURVEY

# This many damaged examples are named in the metadata; all are counted.
_NAMED = 100


def write(
    source: Source, request: Request, root: Path, executor: Executor, metadata: JsonObject
) -> None:
    """Writes a dataset into a new folder below `root`, which all workers see.

    Args:
      source: the images.
      request: what is prepared.
      root: the folder's place is `<name>/<version>` below it.
      executor: of the workers.
      metadata: for `metadata.json`, with an `origin`. Without a fingerprint in it, one is
        added that the workers compute.

    Raises:
      DataError: more examples cannot be read than the request allows, or there are none, or
        all of a split are of one class.
    """
    name, max_damaged = request.prepared_name, request.max_corrupt_images
    if len(source.label_names) < 2:
        raise DataError(
            f"{name}, from {metadata['origin']}, has only one class "
            f"({', '.join(source.label_names)}): there is nothing to tell apart; add images of "
            "another class"
        )
    folder = root / name / request.version
    folder.mkdir(parents=True)
    work = functools.partial(write_slice, source, folder, max_damaged)
    written = executor(work, source.num_slices, f"writing {name}")
    damaged = [cause for part in written for cause in part.damaged]
    refuse_damaged(damaged, max_damaged)
    splits = _place(written, name, folder)
    for left in folder.glob("*.part"):  # Of attempts that a cluster made twice.
        left.unlink()
    found = survey.of(written, source)
    split_classes.refuse_one_class(name, found.class_counts, source.label_names)
    metadata = {
        PICTURES: configs.to_config(request.pictures(source.image_shape)),
        **metadata,
        SURVEY: configs.to_config(found),
    }
    if FINGERPRINT not in metadata:
        metadata = {
            **metadata,
            FINGERPRINT: _fingerprint(source, written),
            **damage(damaged),
        }
    _write_info(source, request, folder, splits, metadata)


def damage(damaged: Sequence[str]) -> JsonObject:
    """What could not be read, for `metadata.json`."""
    return {"damaged": {"count": len(damaged), "first": list(damaged[:_NAMED])}}


def _place(written: Sequence[WrittenSlice], name: str, folder: Path) -> list[tfds.core.SplitInfo]:
    """Names the shards in order; a slice without examples of a split has no shard of it."""
    splits = []
    for split in SPLITS:
        parts = [part for part in written if part.counts.get(split)]
        if not parts:
            continue
        template = tfds.core.ShardedFileTemplate(
            data_dir=tfds.core.Path(folder),
            dataset_name=name.partition("/")[0],
            split=split,
            filetype_suffix="tfrecord",
        )
        num_bytes = 0
        for index, part in enumerate(parts):
            path = Path(template.sharded_filepath(shard_index=index, num_shards=len(parts)))
            part.paths[split].rename(path)
            num_bytes += path.stat().st_size - FRAME_BYTES * part.counts[split]
        if all(split in part.lists for part in parts):
            lists = [part.lists[split] for part in parts]
            source_files.join(lists, source_files.list_of(folder, name, split))
        lengths = [part.counts[split] for part in parts]
        splits.append(tfds.core.SplitInfo(split, lengths, num_bytes, template))
    if not splits or splits[0].name != "train":
        raise DataError(f"{name}: no image is left for the training split")
    return splits


def _fingerprint(source: Source, written: Sequence[WrittenSlice]) -> str:
    """Of the content in whatever order, whatever the number of shards: 16 hex digits."""
    digest = hashlib.sha256(" ".join(source.label_names).encode())
    digest.update(f"{list(source.image_shape)}".encode())
    digest.update(f"{sum(part.digest for part in written) % MODULUS:064x}".encode())
    return digest.hexdigest()[:16]


def _write_info(
    source: Source,
    request: Request,
    folder: Path,
    splits: list[tfds.core.SplitInfo],
    metadata: JsonObject,
) -> None:
    """Writes TFDS's files: `dataset_info.json`, `features.json`, `metadata.json`."""
    from tensorflow_datasets.core.dataset_info import DatasetIdentity

    name, _, config = request.prepared_name.partition("/")
    fact = request.known_dataset
    identity = DatasetIdentity(
        name=name,
        version=tfds.core.Version(request.version),
        data_dir=str(folder),
        module_name=__name__,
        config_name=config or None,
    )
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Tensor(
                shape=source.image_shape, dtype=np.uint8, encoding="bytes"
            ),
            "label": tfds.features.ClassLabel(names=list(source.label_names)),
        }
    )
    info = tfds.core.DatasetInfo(
        builder=identity,
        description=fact.description if fact else f"{name}, from {metadata['origin']}",
        homepage=fact.homepage if fact else None,
        citation=fact.citation if fact else None,
        features=features,
        supervised_keys=("image", "label"),
        metadata=tfds.core.MetadataDict(json.loads(addresses.shown(json.dumps(metadata)))),
        disable_shuffling=True,
        split_dict=tfds.core.SplitDict(splits),
    )
    info.set_file_format("tfrecord")
    info.write_to_directory(folder)

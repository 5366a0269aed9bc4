"""TFDS builders: raw arrays to sharded TFRecords in an ordinary TFDS folder.

The folder is TFDS's own kind: `<data_dir>/<name>/<version>/`, read by plain
`tfds.builder_from_directory` with no digitline installed. It differs from what
TFDS would write in two ways, both for the reader's sake:

- Records stay in the dataset's original order, so that "test image 4,711" is
  the same image to everybody.
- Pixels are stored as raw bytes rather than as PNG: about twice the size on
  disk, but decoding is a reinterpretation of memory.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..base import files, progress
from ..base.tf import tfds
from . import known
from .sources import RawDataset, RawSplit

# TFDS writes into `incomplete.XXXXXX_<version>` and renames it when it is whole.
_INCOMPLETE = "incomplete.*"


def folder(data_dir: Path, name: str, version: str) -> Path:
    """Where a dataset without configurations lies, or will."""
    return data_dir / name / version


def write(raw: RawDataset, data_dir: Path, num_shards: int, overwrite: bool = False) -> Path:
    """Writes a dataset as TFRecords.

    The folder appears whole, by one rename. A kill leaves an `incomplete.…`
    folder that the next call removes.

    Args:
      raw: what to write.
      data_dir: the root of all datasets.
      num_shards: the number of files of each split; no more than it has images.
      overwrite: replaces a folder that is there.

    Returns:
      The dataset's folder.

    Raises:
      UserError: another process is preparing it, or the folder is not writable.
    """
    parent = data_dir / raw.name
    with files.owned(parent, f"preparing {raw.name}"):
        if files.remove_leftovers(parent, _INCOMPLETE):
            progress.say(f"removed what an interrupted run left in {parent}")
        builder = _builder(raw, data_dir)
        mode = tfds.GenerateMode.REUSE_DATASET_IF_EXISTS
        if overwrite:
            mode = tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
        config = tfds.download.DownloadConfig(
            download_mode=mode,
            num_shards=num_shards,
            try_download_gcs=False,  # Never ask the network for a ready-made copy.
        )
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints there; we say it better.
            builder.download_and_prepare(
                download_dir=str(data_dir / "downloads"), download_config=config
            )
    return folder(data_dir, raw.name, raw.version)


def _builder(raw: RawDataset, data_dir: Path) -> tfds.core.DatasetBuilder:
    """A TFDS builder of these arrays; TFDS wants a class for each name and version."""
    attributes = {
        "name": raw.name,
        "VERSION": tfds.core.Version(raw.version),
        "__module__": __name__,
        "raw": raw,
    }
    # `skip_registration` keeps TFDS's own builder of that name in its place.
    made = type("ArrayBuilder", (_ArrayBuilder,), attributes, skip_registration=True)
    return made(data_dir=os.fspath(data_dir))


class _ArrayBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Images and labels that lie in memory."""

    VERSION = tfds.core.Version("1.0.0")
    raw: RawDataset

    def _info(self) -> tfds.core.DatasetInfo:
        fact = known.DATASETS.get(self.raw.name)
        shape = self.raw.splits["train"].images.shape[1:]
        return tfds.core.DatasetInfo(
            builder=self,
            description=fact.description if fact else f"{self.raw.name}, from {self.raw.origin}",
            homepage=fact.homepage if fact else None,
            citation=fact.citation if fact else None,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="bytes"),
                    "label": tfds.features.ClassLabel(names=list(self.raw.label_names)),
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(origin=self.raw.origin),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # Everything is here already.
        return {name: self._generate_examples(split) for name, split in self.raw.splits.items()}

    def _generate_examples(self, split: RawSplit) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            yield index, {"image": image, "label": int(label)}

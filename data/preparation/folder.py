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
import hashlib
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base import files, progress
from ...base.errors import DataError, UsageError
from ...base.tf import tfds
from ..dataset import FINGERPRINT
from ..sources import known
from ..sources.raw import RawDataset, RawSplit

# Below `<data_dir>/<name>`: where a dataset is made, and where one that is replaced goes.
_MAKING, _REPLACED = "incomplete.making", "incomplete.replaced"
_DOWNLOADS = "incomplete.downloads"


def write(raw: RawDataset, data_dir: Path, num_shards: int, overwrite: bool = False) -> Path:
    """Writes a dataset as TFRecords.

    The caller holds the folder (`preparing`). The dataset is made aside and
    appears whole, by one rename; one that is to be replaced stays until then.

    Args:
      raw: what to write.
      data_dir: the root of all datasets.
      num_shards: the number of files of each split.
      overwrite: replaces a folder that is there.

    Returns:
      The dataset's folder.

    Raises:
      UserError: something else is in its place, or there are fewer images than shards.
    """
    for name, split in raw.splits.items():
        if num_shards > len(split.images):
            raise UsageError(
                f"--num_shards={num_shards} is more than the {len(split.images):,} {name} images"
            )
    with making(data_dir, raw.name, raw.version, overwrite) as root:
        config = tfds.download.DownloadConfig(num_shards=num_shards, try_download_gcs=False)
        prepare_quietly(_builder(raw, root), root, config)
    return data_dir / raw.name / raw.version


@contextlib.contextmanager
def making(data_dir: Path, name: str, version: str, overwrite: bool) -> Iterator[Path]:
    """Gives a folder to make a dataset in, as `<name>/<version>`; puts it in place at the end.

    It appears whole, by one rename, or not at all; one that is to be replaced
    stays until then. The caller holds the folder (`preparing`).

    Raises:
      DataError: something else is in its place.
    """
    parent = data_dir / name
    target, root = parent / version, parent / _MAKING
    if target.exists() and not overwrite:
        raise DataError(
            f"{target} is there, but is no dataset; delete it, or replace it with --overwrite"
        )
    try:
        yield root
        made = root / name / version
        files.sync_tree(made)
        if target.exists():
            os.rename(target, parent / _REPLACED)
        os.rename(made, target)
        files.sync(parent)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    shutil.rmtree(parent / _REPLACED, ignore_errors=True)


def prepare_quietly(
    builder: tfds.core.DatasetBuilder, root: Path, config: tfds.download.DownloadConfig
) -> None:
    """Lets TFDS prepare a dataset; it prints, and we say it better."""
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(download_dir=str(root / "downloads"), download_config=config)


@contextlib.contextmanager
def preparing(data_dir: Path, name: str) -> Iterator[Path]:
    """Holds a dataset's folder; gives a place for downloads that goes when the block ends.

    What a killed run left there is removed first.

    Raises:
      UserError: another process is preparing it, or the folder is not writable.
    """
    parent = data_dir / name
    with files.owned(parent, f"preparing {name}"):
        if files.remove_leftovers(parent, "incomplete.*"):
            progress.say(f"removed what an interrupted run left in {parent}")
        try:
            yield parent / _DOWNLOADS
        finally:
            shutil.rmtree(parent / _DOWNLOADS, ignore_errors=True)


def _fingerprint(raw: RawDataset) -> str:
    """Of the content, whatever the number of shards: SHA-256, 16 hex digits."""
    digest = hashlib.sha256(" ".join(raw.label_names).encode())
    for name, split in sorted(raw.splits.items()):
        digest.update(f"{name} {split.images.shape}".encode())
        digest.update(split.images.tobytes() + split.labels.tobytes())
    return digest.hexdigest()[:16]


def _builder(raw: RawDataset, root: Path) -> tfds.core.DatasetBuilder:
    return instance(_ArrayBuilder, raw.name, raw.version, root, raw=raw)


def instance(
    base: type[tfds.core.DatasetBuilder], name: str, version: str, root: Path, **attributes: Any
) -> Any:
    """An instance of a TFDS builder; TFDS wants a class for each name and version.

    Args:
      base: the class to derive from.
      name: of the dataset, `<name>` or `<name>/<config>`.
      version: of the dataset.
      root: TFDS's data_dir.
      attributes: of the class.
    """
    short, _, config = name.partition("/")
    attributes |= {"name": short, "VERSION": tfds.core.Version(version), "__module__": __name__}
    if config:
        attributes["BUILDER_CONFIGS"] = [tfds.core.BuilderConfig(name=config)]
    # `skip_registration` keeps TFDS's own builder of that name in its place.
    made: Any = type(base.__name__.strip("_"), (base,), attributes, skip_registration=True)
    return made(data_dir=os.fspath(root))


def features(shape: Sequence[int], label_names: Sequence[str]) -> tfds.features.FeaturesDict:
    """What a record holds: `image`, uint8 [H, W, C] as raw bytes, and `label`."""
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Tensor(shape=tuple(shape), dtype=np.uint8, encoding="bytes"),
            "label": tfds.features.ClassLabel(names=list(label_names)),
        }
    )


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
            features=features(shape, self.raw.label_names),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(
                {
                    "origin": self.raw.origin,
                    FINGERPRINT: _fingerprint(self.raw),
                    **self.raw.metadata,
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # Everything is here already.
        return {name: self._generate_examples(split) for name, split in self.raw.splits.items()}

    def _generate_examples(self, split: RawSplit) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            yield index, {"image": image, "label": int(label)}

"""Slices of a source to TFRecords, one after another or side by side, in flat memory.

A worker reads its slice of the source once and writes one shard of each split.
The folder is TFDS's own kind, as `builders` writes it.

TFDS has a builder for shards that are written side by side,
`ShardBasedBuilder`; its writer keeps every example of a shard until the shard
is closed (it counts them by `itertools.tee`), runs the earlier splits' pipeline
again for each further one, and gives a worker no way to report what it
skipped. So the shards are written here, and TFDS's part is the metadata.
"""

import dataclasses
import errno
import functools
import hashlib
import shutil
import uuid
from pathlib import Path
from typing import Any

from ...base.errors import DataError, first_line
from ...base.tf import tf, tfds
from ..dataset import FINGERPRINT
from ..sources.slices import Damaged, Source
from . import folder as builders
from . import beam

# A record's digest is added to the others' modulo this: in any order, in any
# number of parts, the sum is the same. (M. Bellare, D. Micciancio, "A New
# Paradigm for Collision-Free Hashing", EUROCRYPT 1997: AdHash.)
_MODULUS = 2**256
# So many damaged examples are named in the result; all are counted.
_NAMED = 20


@dataclasses.dataclass(frozen=True)
class _Written:
    """What a worker wrote.

    Attributes:
      counts: examples by split.
      paths: of the shard by split, as it is called for now.
      digest: the sum of the records' digests.
      damaged: what could not be read.
    """

    counts: dict[str, int]
    paths: dict[str, Path]
    digest: int
    damaged: list[str]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to write, and what to say of it.

    Attributes:
      name, version: of the dataset.
      metadata: what goes into `metadata.json` beside the fingerprint.
      description: for `dataset_info.json`.
      max_damaged: so many examples that cannot be read are passed over.
      runner, options: Beam's.
    """

    name: str
    version: str
    metadata: dict[str, Any]
    description: str
    max_damaged: int = 0
    runner: str | None = None
    options: str = ""


def write(source: Source, settings: Settings, root: Path) -> list[str]:
    """Writes a dataset below `root`, a folder that all workers see.

    Returns:
      What could not be read and was passed over.

    Raises:
      DataError: more than `max_damaged` examples cannot be read, or no example is there.
    """
    builder = builders.instance(
        _ShardBuilder, settings.name, settings.version, root, source=source, settings=settings
    )
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builders.prepare_quietly(builder, root, config)
    return builder.damaged


class _ShardBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
    """TFDS's part: folder, names and metadata."""

    VERSION = tfds.core.Version("1.0.0")
    source: Source
    settings: Settings
    damaged: list[str]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.settings.description,
            features=builders.features(self.source.image_shape, self.source.label_names),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(self.settings.metadata),
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager: Any) -> Any:
        raise NotImplementedError("The shards are written by _download_and_prepare.")

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        del dl_manager, download_config
        folder = Path(self.data_dir)  # TFDS's own temporary one, while it prepares.
        settings = self.settings
        work = functools.partial(_write_slice, self.source, folder, settings.max_damaged)
        written: list[_Written] = beam.run(
            work,
            self.source.num_slices,
            folder / "results",
            f"writing {settings.name}",
            settings.runner,
            settings.options,
        )
        shutil.rmtree(folder / "results")
        self.damaged = [cause for each in written for cause in each.damaged]
        _refuse_damaged(self.damaged, settings.max_damaged)
        self.info.set_splits(tfds.core.SplitDict(self._placed(written)))
        for left in folder.glob("*.part"):  # Of attempts that the runner made twice.
            left.unlink()
        digest = hashlib.sha256(" ".join(self.source.label_names).encode())
        digest.update(f"{list(self.source.image_shape)}".encode())
        digest.update(f"{sum(each.digest for each in written) % _MODULUS:064x}".encode())
        metadata: Any = self.info.metadata
        metadata[FINGERPRINT] = digest.hexdigest()[:16]
        metadata["damaged"] = {"count": len(self.damaged), "first": self.damaged[:_NAMED]}

    def _placed(self, written: list[_Written]) -> list[tfds.core.SplitInfo]:
        """Gives the shards their names in order; slices without examples of a split have none."""
        infos = []
        for split in ("train", "validation", "test"):
            parts = [each for each in written if each.counts.get(split)]
            if not parts:
                continue
            template = self._get_filename_template(split_name=split)
            num_bytes = 0
            for index, part in enumerate(parts):
                place = Path(template.sharded_filepath(shard_index=index, num_shards=len(parts)))
                part.paths[split].rename(place)
                num_bytes += place.stat().st_size
            lengths = [part.counts[split] for part in parts]
            infos.append(tfds.core.SplitInfo(split, lengths, num_bytes, template))
        if not infos or infos[0].name != "train":
            raise DataError(f"{self.settings.name}: no image is left for the training split")
        return infos


def _refuse_damaged(damaged: list[str], allowed: int) -> None:
    """Refuses more examples that cannot be read than are allowed.

    Raises:
      DataError: names the first, and how to go on without them.
    """
    if len(damaged) > allowed:
        others = f" (and {allowed} before it)" if allowed else ""
        raise DataError(
            f"{damaged[allowed]}{others}; mend or remove it, or pass over as many as you allow "
            "with --max_corrupt_images=N"
        )


def _write_slice(source: Source, folder: Path, max_damaged: int, index: int) -> _Written:
    """A worker's task: writes the shards of a slice, one for each split.

    Their names are of this attempt alone: a runner may make several at once.
    """
    attempt = uuid.uuid4().hex[:12]
    paths: dict[str, Path] = {}
    counts: dict[str, int] = {}
    writers: dict[str, tf.io.TFRecordWriter] = {}
    damaged: list[str] = []
    digest = 0
    try:
        for example in source.read(index):
            if isinstance(example, Damaged):
                damaged.append(example.cause)
                _refuse_damaged(damaged, max_damaged)  # Whatever the others find.
                continue
            split = example.split
            if split not in writers:
                paths[split] = folder / f"{split}.{index}.{attempt}.part"
                writers[split] = tf.io.TFRecordWriter(str(paths[split]))
                counts[split] = 0
            pixels = example.image.tobytes()
            writers[split].write(_record(pixels, example.label))
            counts[split] += 1
            content = hashlib.sha256(f"{split} {example.label} ".encode() + pixels).digest()
            digest = (digest + int.from_bytes(content, "big")) % _MODULUS
        for writer in writers.values():
            writer.close()
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, first_line(error)) from error
    return _Written(counts, paths, digest, damaged)


def _record(pixels: bytes, label: int) -> bytes:
    """An example as `features` describes it, serialized."""
    feature = tf.train.Feature
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image": feature(bytes_list=tf.train.BytesList(value=[pixels])),
                "label": feature(int64_list=tf.train.Int64List(value=[label])),
            }
        )
    ).SerializeToString()

"""A slice of a source to TFRecord files: what each worker does, without TensorFlow.

TensorFlow's own writer would cost every worker seconds and hundreds of megabytes.
"""

import contextlib
import dataclasses
import hashlib
import uuid
from pathlib import Path
from typing import BinaryIO

from ...base.errors import DataError
from ...base.tfrecord import framed, image_example
from ..sources.slices import Damaged, Source
from .slice_survey import COMPARED, SliceSurvey

# A record's digest is added to the others' modulo this: in any order, in any
# number of parts, the sum is the same. (M. Bellare, D. Micciancio, "A New
# Paradigm for Collision-Free Hashing", EUROCRYPT 1997: AdHash.)
MODULUS = 2**256


@dataclasses.dataclass
class WrittenSlice:
    """What a worker wrote.

    Attributes:
      counts: the number of examples by split.
      paths: of the shard by split, under its name for now.
      lists: of the picture files by split, where the source has them.
      digest: the sum of the records' digests.
      damaged: what could not be read.
      surveys: by split, what was noted of the images.
    """

    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    paths: dict[str, Path] = dataclasses.field(default_factory=dict)
    lists: dict[str, Path] = dataclasses.field(default_factory=dict)
    digest: int = 0
    damaged: list[str] = dataclasses.field(default_factory=list)
    surveys: dict[str, SliceSurvey] = dataclasses.field(default_factory=dict)


def write_slice(source: Source, folder: Path, max_damaged: int, index: int) -> WrittenSlice:
    """Writes the shards of a slice, one of each split.

    Their names are of this attempt only: a cluster may make several at once.

    Raises:
      DataError: more than `max_damaged` examples cannot be read.
      OSError: a file cannot be read or written.
    """
    attempt = uuid.uuid4().hex[:12]
    written = WrittenSlice()
    files: dict[str, BinaryIO] = {}
    lists: dict[str, BinaryIO] = {}
    channels, compared = source.image_shape[2], COMPARED // source.num_slices
    with contextlib.ExitStack() as opened:
        for example in source.read(index):
            if isinstance(example, Damaged):
                written.damaged.append(example.cause)
                refuse_damaged(written.damaged, max_damaged)  # Whatever the other slices hold.
                continue
            split = example.split
            if split not in files:
                written.paths[split] = folder / f"{split}.{index}.{attempt}.part"
                files[split] = opened.enter_context(open(written.paths[split], "wb"))
                written.counts[split] = 0
                written.surveys[split] = SliceSurvey()
            pixels = example.image.tobytes()
            files[split].write(framed(image_example(pixels, example.label)))
            written.counts[split] += 1
            if example.file is not None:
                if split not in lists:
                    written.lists[split] = folder / f"{split}.{index}.{attempt}.files.part"
                    lists[split] = opened.enter_context(open(written.lists[split], "wb"))
                lists[split].write(example.file)
            written.surveys[split].add(pixels, example.label, channels, compared)
            content = hashlib.sha256(f"{split} {example.label} ".encode() + pixels).digest()
            written.digest = (written.digest + int.from_bytes(content, "big")) % MODULUS
    return written


def refuse_damaged(damaged: list[str], allowed: int) -> None:
    """Refuses more examples that cannot be read than are allowed.

    Raises:
      DataError: names the first, and how to go on without them.
    """
    if len(damaged) > allowed:
        others = f" (and {allowed} before it)" if allowed else ""
        raise DataError(
            f"{damaged[allowed]}{others}; mend or remove it, or leave out up to N such files or "
            "rows with --max_corrupt_images=N",
            option="max_corrupt_images",
        )

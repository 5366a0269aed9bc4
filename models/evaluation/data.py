"""The images that a model is evaluated on."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from ...data.dataset import Dataset, Split
from ...data.pipeline import salvage


@dataclasses.dataclass(frozen=True)
class Data:
    """Which images to evaluate a model on, whatever their dataset.

    Attributes:
      split: in TFDS's syntax.
      data_dir: root folder of prepared datasets; None for where the training found it.
      batch_size: images in a batch.
      max_corrupt_records: damaged records that may be left out.
    """

    split: str
    data_dir: Path | None
    batch_size: int
    max_corrupt_records: int

    @contextlib.contextmanager
    def of(self, dataset: Dataset) -> Iterator[tuple[Split, int]]:
        """The images of a dataset while the block lasts, and how many records were left out."""
        splits = [dataset.split(self.split)]
        with salvage.sound(splits, self.max_corrupt_records) as ((split,), lost):
            yield split, len(lost)

"""What is in a dataset, and what is wrong with it: one pass over every image.

The splits are read in order, batch by batch, and of an image no more is kept than
what the search for duplicates needs (`duplicates`).
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ...base.errors import DataError
from ..dataset import Split
from ..metadata import prepare_again
from ..pipeline.records import decoded
from . import duplicates
from .duplicates import LISTED, Duplicates, Place
from .samples import Sample, SamplePicker


@dataclasses.dataclass
class Places:
    """The images of a split that have a flaw: how many there are, and the first of them."""

    split: str
    count: int = 0
    first: list[Place] = dataclasses.field(default_factory=list)

    def add(self, mask: np.ndarray, labels: np.ndarray, start: int) -> None:
        """Takes a batch that begins at index `start`: bool [n], int64 [n]."""
        indices = np.flatnonzero(mask)
        self.count += len(indices)
        for index in indices[: LISTED - len(self.first)].tolist():
            self.first.append(Place(self.split, start + index, int(labels[index])))


@dataclasses.dataclass(frozen=True)
class SplitSurvey:
    """What is in a split.

    Attributes:
      examples: number of images.
      label_counts: int64 [K], images of each class; labels out of range are not in it.
      mean, std: of each channel's pixels, 0 to 1; None where there are no images.
      blank: images whose pixels are all the same.
      out_of_range: images whose label is not a class.
      samples: some images of each class, class by class in turn.
    """

    examples: int
    label_counts: np.ndarray
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    blank: Places
    out_of_range: Places
    samples: tuple[Sample, ...]

    @property
    def missing_labels(self) -> list[int]:
        """The classes without an image."""
        return np.flatnonzero(self.label_counts == 0).tolist()


def survey(
    splits: Sequence[Split],
    samples: int,
    seed: int,
    advance: Callable[[int], None] = lambda images: None,
) -> tuple[dict[str, SplitSurvey], Duplicates]:
    """Looks at every image of some splits.

    Args:
      splits: of one dataset.
      samples: how many images of each split to pick, evenly over the classes.
      advance: called with the number of images after each batch.

    Raises:
      DataError: a shard is damaged, or an image is not of the dataset's shape.
    """
    sizes = {split.name: split.examples for split in splits}
    keys = np.empty(sum(sizes.values()), duplicates.KEY)
    surveys, start = {}, 0
    for number, split in enumerate(splits):
        part = keys[start : start + split.examples]
        picker = SamplePicker(
            split.dataset.num_classes, samples, np.random.default_rng([seed, number])
        )
        surveys[split.name] = _survey_split(split, part, picker, advance)
        start += split.examples
    return surveys, duplicates.find(keys, sizes)


def _survey_split(
    split: Split, keys: np.ndarray, picker: SamplePicker, advance: Callable[[int], None]
) -> SplitSurvey:
    """Looks at a split; puts its images' digests and labels into `keys`."""
    classes, channels = split.dataset.num_classes, split.dataset.image_shape[2]
    label_counts = np.zeros(classes, np.int64)
    levels = np.zeros((channels, 256), np.int64)
    blank, out_of_range = Places(split.name), Places(split.name)
    start = 0
    for images, labels in _batches(split) if len(keys) else ():
        keys[start : start + len(images)] = duplicates.keys_of(images, labels)
        for channel in range(channels):
            levels[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
        blank.add((images == images[:, :1, :1]).all(axis=(1, 2, 3)), labels, start)
        valid = (labels >= 0) & (labels < classes)
        out_of_range.add(~valid, labels, start)
        label_counts += np.bincount(labels[valid], minlength=classes)
        picker.offer(images, np.where(valid, labels, -1), start)
        start += len(images)
        advance(len(images))
    mean, std = _moments(levels) if start else (None, None)
    return SplitSurvey(start, label_counts, mean, std, blank, out_of_range, picker.picked())


def _batches(split: Split) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A split's images uint8 [n, H, W, C] and labels int64 [n], in order."""
    dataset, start = split.dataset, 0
    for images, labels in decoded(split, any_label=True):
        pixels, numbers = images.numpy(), labels.numpy()
        # Raw bytes have no shape of their own: two images of half the size pass for one.
        expected = (len(numbers), *dataset.image_shape)
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise DataError(
                f"{dataset.directory}: in the batch of the {split.name} split that begins at image "
                f"{start:,}, features.json promises uint8 {list(expected)}, and the records hold "
                f"{pixels.dtype} {list(pixels.shape)}; {prepare_again(dataset.name)}"
            )
        yield pixels, numbers
        start += len(numbers)


def _moments(levels: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, 0 to 1, from how often each level occurs: int64 [C, 256]."""
    grey = np.arange(256) / 255
    share = levels / levels.sum(axis=1, keepdims=True)
    mean = share @ grey
    std = np.sqrt((share * (grey - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(std.tolist())

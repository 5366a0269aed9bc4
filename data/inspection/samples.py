"""Images picked to be shown, the same number of each class."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Sample:
    """An image to be shown: the `index`-th of its split, its label, and uint8 [H, W, C]."""

    index: int
    label: int
    image: np.ndarray


class SamplePicker:
    """Picks images of a split at random, the same number of each class.

    Each image draws a lot, and each class keeps its lowest; so the choice is
    uniform, however long the stream is. Where there are more classes than images
    to pick, as many classes are drawn and get one each.
    """

    def __init__(self, num_classes: int, samples: int, rng: np.random.Generator):
        self._samples, self._rng = samples, rng
        self._quota = -(-samples // num_classes)
        # A lot below its class's limit is picked. The last place is of no class.
        self._limits = np.full(num_classes + 1, -np.inf)
        self._limits[rng.permutation(num_classes)[:samples]] = np.inf
        self._kept: dict[int, list[tuple[float, Sample]]] = {}

    def offer(self, images: np.ndarray, labels: np.ndarray, start: int) -> None:
        """Takes a batch that begins at index `start`; a label of -1 is of no class."""
        lots = self._rng.random(len(images))
        for index in np.flatnonzero(lots < self._limits[labels]).tolist():
            label, lot = int(labels[index]), float(lots[index])
            if lot >= self._limits[label]:  # An earlier one of this batch lowered it.
                continue
            kept = self._kept.setdefault(label, [])
            # A copy lets the batch go.
            kept.append((lot, Sample(start + index, label, images[index].copy())))
            kept.sort(key=lambda entry: entry[0])
            del kept[self._quota :]
            if len(kept) == self._quota:
                self._limits[label] = kept[-1][0]

    def picked(self) -> tuple[Sample, ...]:
        """The first of each class, then the second of each class, and so on."""
        classes = [self._kept[label] for label in sorted(self._kept)]
        turns = [kept[turn] for turn in range(self._quota) for kept in classes if turn < len(kept)]
        return tuple(sample for _, sample in turns[: self._samples])

"""How well a model does on corrupted images of a split."""

import dataclasses
from collections.abc import Callable

import numpy as np

from ...base import progress
from ...data.dataset import Split
from ...data.pipeline import records
from ..run.records import Figures, Robustness, UnderCorruption
from .corruptions import CORRUPTIONS, STRENGTHS, corrupted
from .metrics import of_probabilities
from .options import EvaluateOptions

Answer = Callable[[np.ndarray], np.ndarray]


def added(figures: Figures, split: Split, answer: Answer, options: EvaluateOptions) -> Figures:
    """The figures of a split with those on its corrupted images, where these are wanted.

    Args:
      figures: on the images as they are.
      answer: the model, from raw images uint8 [N, H, W, C] to probabilities float32 [N, K].

    Raises:
      DataError: a record is damaged, or the model's answers are not finite.
    """
    if not options.corruptions:
        return figures
    size = records.images_at_once(split.dataset.image_shape, options.batch_size)
    shares = accuracies(split, answer, size, options.corruption_seed)
    mean = float(shares.mean())
    relative = mean / figures.accuracy if figures.accuracy else None
    rows = zip(CORRUPTIONS, shares.tolist(), strict=True)
    by_corruption = tuple(UnderCorruption(name, tuple(row)) for name, row in rows)
    robustness = Robustness(options.corruption_seed, mean, relative, by_corruption)
    return dataclasses.replace(figures, corruptions=robustness)


def accuracies(split: Split, answer: Answer, batch_size: int, seed: int) -> np.ndarray:
    """The shares that are right by corruption and strength, float64 [15, 5].

    Raises:
      DataError: a record is damaged, or the model's answers are not finite.
    """
    right = np.zeros((len(CORRUPTIONS), len(STRENGTHS)), np.int64)
    start = 0
    title = f"evaluating on corrupted images of {split.name}"
    with progress.Progress(title, split.examples * right.size) as bar:
        for images, labels in records.decoded(split, batch_size):
            raw, numbers = images.numpy(), labels.numpy()
            indices = np.arange(start, start + len(numbers))
            for row, name in enumerate(CORRUPTIONS):
                for column, strength in enumerate(STRENGTHS):
                    changed = corrupted(raw, name, strength, indices, seed)
                    right[row, column] += of_probabilities(numbers, answer(changed)).correct
                    bar.advance(len(numbers), name)
            start += len(numbers)
    return right / split.examples

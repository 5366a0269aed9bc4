"""Sheets of images: samples, mistakes, and what the network sees of an image."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...base.tf import tf
from ...data.inspection.charts import Sample, short
from ...data.pipeline.augment import Augment
from ...data.pipeline.preprocess import Preprocess
from ..recipe import Recipe
from .canvas import Canvas, visible
from .figures import WIDTH

_COLUMNS, _SIDE = 10, 54
# Pictures beside the raw one: as it is without chance, and so many epochs of augmentation.
_EPOCHS = 4
# Larger images are shown smaller, by whole factors.
_LARGEST = 96


@dataclasses.dataclass(frozen=True)
class Captioned:
    """An image uint8 [H, W, C] with a line above, and one or two below."""

    image: np.ndarray
    above: str
    below: tuple[str, ...]


def thumbnail(image: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3], no side longer than 96 pixels."""
    step = -(-max(image.shape[:2]) // _LARGEST)
    return visible(image[::step, ::step])


def sheet(title: str, images: Sequence[Captioned], most: int = _COLUMNS) -> Canvas:
    """Images in rows of five, or of `most` where there are so many."""
    columns = max(5, min(most, len(images)))
    height, width = images[0].image.shape[:2]
    tall = _SIDE * min(max(height / width, 0.4), 2.5)
    row = tall + 24 + 11 * max(len(each.below) for each in images)
    rows = -(-len(images) // columns)
    canvas = Canvas(columns * (_SIDE + 8) + 12, 32 + rows * row, title)
    canvas.text(8, 16, title, 12, bold=True)
    for at, each in enumerate(images):
        x, y = 10 + at % columns * (_SIDE + 8), 46 + at // columns * row
        canvas.text(x + _SIDE / 2, y - 4, short(each.above, 10), 9.5, anchor="middle")
        canvas.image(x, y, _SIDE, tall, thumbnail(each.image))
        for line, words in enumerate(each.below):
            place = (x + _SIDE / 2, y + tall + 11 + 11 * line)
            canvas.text(*place, short(words, 10), 9, "pale", "middle")
    return canvas


def seen(
    title: str,
    samples: Sequence[Sample],
    label_names: Sequence[str],
    preprocess: Preprocess,
    recipe: Recipe,
    seed: int,
) -> Canvas:
    """What the network sees of a few images: each raw, preprocessed, and as some epochs have it.

    Args:
      title: of the sheet.
      samples: of the training split, with their places in it.
      label_names: by class number.
      preprocess: of the run.
      recipe: its augmentation.
      seed: of the run.
    """
    names = [field.name for field in dataclasses.fields(Augment)]
    augment = Augment(**{name: getattr(recipe, f"augment_{name}") for name in names})
    raw = np.stack([each.image for each in samples])
    columns = [raw, _shown(preprocess(tf.constant(raw)), preprocess)]
    heads = ["raw", "input"]
    for epoch in range(_EPOCHS if augment.active else 0):
        keys = [[seed, epoch, each.index] for each in samples]
        changed = augment(tf.constant(raw), tf.constant(keys, tf.int64))
        columns.append(_shown(preprocess(changed), preprocess))
        heads.append(f"epoch {epoch + 1}")
    side, left = 44, 58
    canvas = Canvas(WIDTH, 54 + len(samples) * (side + 4), title)
    canvas.text(8, 16, title, 12, bold=True)
    for number, (head, images) in enumerate(zip(heads, columns, strict=True)):
        x = left + number * (side + 3)
        canvas.text(x + side / 2, 42, head, 9, "pale", "middle")
        for row, image in enumerate(images):
            canvas.image(x, 48 + row * (side + 4), side, side, thumbnail(image))
    for row, each in enumerate(samples):
        y = 48 + row * (side + 4) + side / 2 + 3
        canvas.text(left - 6, y, short(label_names[each.label], 8), 10, anchor="end")
    return canvas


def _shown(inputs: tf.Tensor, preprocess: Preprocess) -> np.ndarray:
    """The network's inputs float32 [N, H, W, C] as pixels again."""
    pixels = (inputs.numpy() * preprocess.std + preprocess.mean) * 255
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)

"""What generators of pictures share: JPEG files in folders, colours, noise, light."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from digitline.base import files
from digitline.base.process import temporary

Colour = tuple[int, int, int]


def write(
    folder: Path,
    classes: Iterable[str],
    draw: Callable[[str, np.random.Generator], Image.Image],
    pictures: int,
    seed: int,
) -> None:
    """Draws JPEG files, the same number of each class, into a folder for each class.

    Args:
      folder: made if it is not there.
      draw: a picture of a class; all that is random in it comes from the generator.
      pictures: how many in all.
      seed: the same seed gives the same pictures.
    """
    names = tuple(classes)
    for label, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(pictures // len(names)):
            generator = np.random.default_rng([seed, label, number])
            draw(name, generator).save(folder / name / f"{number:04}.jpg", quality=90)


def once(folder: Path, write: Callable[[Path], None]) -> None:
    """A folder of pictures, whole or not at all, unless it is there.

    Args:
      folder: of the pictures.
      write: draws them into the folder that it is given, which it makes.
    """
    if folder.exists():
        return
    with temporary.folder(files.ensure_folder(folder.parent)) as place:
        write(place / folder.name)
        (place / folder.name).rename(folder)


def colour(hue: float, generator: np.random.Generator) -> Colour:
    """A colour of about this hue (0 to 1, beyond it again from 0), of any strength, brightness."""
    strength, value = int(generator.integers(70, 220)), int(generator.integers(90, 240))
    return (
        Image.new("HSV", (1, 1), (int(hue % 1 * 255), strength, value))
        .convert("RGB")
        .getpixel((0, 0))
    )  # pyright: ignore[reportReturnType]


def noise(shape: tuple[int, int], cells: int, generator: np.random.Generator) -> np.ndarray:
    """Smooth noise, float32 `shape`, mean 0 and deviation about 1, from cells x cells values."""
    values = Image.fromarray(generator.normal(size=(cells, cells)).astype(np.float32))
    return np.asarray(values.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def photographed(pixels: np.ndarray, generator: np.random.Generator) -> Image.Image:
    """Pixels [H, W, 3], 0 to 255, in light of some colour and strength, with a sensor's grain."""
    light = generator.uniform(0.6, 1.2) * generator.uniform(0.85, 1.15, 3)
    grain = generator.normal(0, generator.uniform(2, 12), pixels.shape)
    return Image.fromarray((pixels * light + grain).clip(0, 255).astype(np.uint8))

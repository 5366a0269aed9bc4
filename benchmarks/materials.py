"""Pictures like photographs of six materials, drawn: fine textures, for benchmarks.

A surface is seen from somewhere, in any turn, scale and slant, half in shade. Any material has any
two colours: only the texture tells it.
"""

from pathlib import Path

import drawn
import numpy as np
from PIL import Image, ImageFilter

# Noise of 128x128 values is looked up at points of a surface, again from the start beyond it.
_NOISE = 128


def write(folder: Path, pictures: int, size: int, seed: int) -> None:
    """Draws JPEG files as `drawn.write`; sides are from `size` to 1.5 times that."""
    drawn.write(folder, CLASSES, lambda name, random: _draw(name, size, random), pictures, seed)


def _draw(name: str, size: int, generator: np.random.Generator) -> Image.Image:
    height, width = (int(side) for side in generator.integers(size, 3 * size // 2, 2))
    x, y = _surface(height, width, generator)
    relief = CLASSES[name](x, y, generator)
    relief = relief + 0.15 * _grain(3 * x, 3 * y, generator)
    first, second = generator.uniform(40, 230, (2, 3))
    if abs(first - second).mean() < 50:
        second = 255 - second
    share = (relief - relief.min()) / np.ptp(relief)
    pixels = first + (second - first) * share[..., None]
    edge = drawn.noise((height, width), 3, generator) - generator.uniform(0, 1)
    pixels *= (1 - 0.45 * (12 * edge).clip(0, 1))[..., None]
    blur = ImageFilter.GaussianBlur(generator.uniform(0.2, 1.6))
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).filter(blur)
    return drawn.photographed(np.asarray(picture, np.float32), generator)


def _surface(
    height: int, width: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel is on the surface: x and y, float [H, W]; bricks are one unit wide."""
    row, column = np.mgrid[:height, :width] / max(height, width) - 0.5
    slant = generator.uniform(-0.6, 0.6, 2)
    depth = 1 + slant[0] * row + slant[1] * column
    units, turn = generator.uniform(4, 11), generator.uniform(0, 2 * np.pi)
    row, column = units * row / depth, units * column / depth
    start = generator.uniform(0, 50, 2)
    bend = 0.1 * drawn.noise((height, width), 4, generator)
    x = np.cos(turn) * column - np.sin(turn) * row + start[0] + bend
    return x, np.sin(turn) * column + np.cos(turn) * row + start[1] + bend


def _grain(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise at points: four values a unit, interpolated bilinearly."""
    values = generator.normal(size=(_NOISE, _NOISE))
    row, column = np.floor(4 * y).astype(int), np.floor(4 * x).astype(int)
    down, right = 4 * y - row, 4 * x - column
    above, left = row % _NOISE, column % _NOISE
    below, beside = (row + 1) % _NOISE, (column + 1) % _NOISE
    upper = values[above, left] * (1 - right) + values[above, beside] * right
    lower = values[below, left] * (1 - right) + values[below, beside] * right
    return upper * (1 - down) + lower * down


def _bricks(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows that are shifted by half a brick, with joints."""
    row = np.floor(2 * y)
    along = x + 0.5 * (row % 2)
    joint = generator.uniform(0.04, 0.1)
    is_joint = ((2 * y) % 1 < 2 * joint) | (along % 1 < joint)
    tone = generator.normal(0, 0.3, 997)[(np.floor(along) * 31 + row * 17).astype(int) % 997]
    return np.where(is_joint, -1.5, tone + 0.2 * _grain(2 * x, 2 * y, generator))


def _wood(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Lines of growth along the wood, which bend, and short pores."""
    bend = generator.uniform(0.3, 1.2) * _grain(0.05 * x, 0.3 * y, generator)
    rings = np.sin(2 * np.pi * (generator.uniform(1.5, 3) * y + 2 * bend))
    return rings + 0.8 * _grain(0.3 * x, 6 * y, generator)


def _cloth(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Threads over and under each other."""
    threads = generator.uniform(2, 4)
    x, y = threads * x, threads * y
    over = (np.floor(x) + np.floor(y)) % 2
    across = np.sin(np.pi * (x % 1)) * (0.6 + 0.4 * np.sin(np.pi * (y % 1)))
    along = np.sin(np.pi * (y % 1)) * (0.6 + 0.4 * np.sin(np.pi * (x % 1)))
    return np.where(over, across, along * generator.uniform(0.6, 0.9))


def _pebbles(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Round stones beside each other: a cell around each of some points."""
    shift, tones = generator.uniform(0.1, 0.9, (2, 64, 64)), generator.normal(0, 0.4, (64, 64))
    least = np.full(x.shape, 9.0)
    tone = np.zeros(x.shape)
    second = least.copy()
    column, row = np.floor(2 * x).astype(int), np.floor(2 * y).astype(int)
    for right in (-1, 0, 1):
        for down in (-1, 0, 1):
            cell = (row + down) % 64, (column + right) % 64
            distance = np.hypot(
                column + right + shift[0][cell] - 2 * x, row + down + shift[1][cell] - 2 * y
            )
            second = np.minimum(second, np.maximum(distance, least))
            tone = np.where(distance < least, tones[cell], tone)
            least = np.minimum(distance, least)
    return np.minimum(3 * (second - least), 1) * (1.2 - least) + tone


def _marble(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Thin veins through clouds."""
    cloud = sum(
        _grain(0.15 * 2**octave * x, 0.15 * 2**octave * y, generator) / 2**octave
        for octave in range(4)
    )
    return -np.exp(-6 * abs(cloud)) + 0.3 * _grain(0.3 * x, 0.3 * y, generator)


def _straw(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Stalks over each other, in several directions."""
    relief = np.full(x.shape, -1.0)
    for turn in generator.uniform(0, np.pi, 5):
        along, across = (
            np.cos(turn) * x + np.sin(turn) * y,
            np.cos(turn) * y - np.sin(turn) * x,
        )
        stalk = _grain(0.15 * along, 1.2 * across, generator)
        relief = np.where(stalk > 0.7, stalk + generator.uniform(-0.5, 0.5), relief)
    return relief


CLASSES = {
    "bricks": _bricks,
    "cloth": _cloth,
    "marble": _marble,
    "pebbles": _pebbles,
    "straw": _straw,
    "wood": _wood,
}

"""Pictures like photographs of four kinds of things, drawn: for benchmarks without a network.

A thing lies somewhere in a picture, in any size and turn, on a background of gradients, grain and
clutter, under light of some colour. Colours overlap between the classes, so that shape and texture
have to be learnt.
"""

import math
from pathlib import Path

import drawn
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# Drawn larger by this factor, then scaled down.
_FINER = 2


def write(folder: Path, pictures: int, size: int, seed: int) -> None:
    """Draws JPEG files as `drawn.write`; sides are from `size` to twice that."""
    drawn.write(folder, CLASSES, lambda name, random: _draw(name, size, random), pictures, seed)


def _draw(name: str, shortest: int, generator: np.random.Generator) -> Image.Image:
    width, height = (int(length) for length in generator.integers(shortest, 2 * shortest, 2))
    size = (_FINER * width, _FINER * height)
    picture = _background(size, generator)
    for _ in range(generator.integers(2, 7)):
        _clutter(picture, generator)
    thing = Image.new("RGBA", (512, 512))
    hue = generator.normal(_HUES[name], 0.12) % 1
    CLASSES[name](ImageDraw.Draw(thing), hue, generator)
    side = int(min(size) * generator.uniform(0.4, 0.95))
    thing = thing.rotate(generator.uniform(0, 360), Image.Resampling.BICUBIC).resize((side, side))
    room = [max(1, full - side) for full in size]
    place = (int(generator.integers(room[0])), int(generator.integers(room[1])))
    picture.paste(thing, place, thing)
    picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 2.0)))
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return drawn.photographed(np.asarray(picture, np.float32), generator)


def _background(size: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    """Smooth colours over the picture, with texture of one scale."""
    smooth = Image.fromarray(generator.integers(20, 230, (3, 3, 3)).astype(np.uint8))
    cells = int(generator.integers(8, 60))
    texture = generator.normal(0, generator.uniform(5, 35), (cells, cells, 1)).repeat(3, axis=2)
    coarse = Image.fromarray((128 + texture).clip(0, 255).astype(np.uint8))
    pixels = np.asarray(smooth.resize(size, Image.Resampling.BICUBIC), np.float32)
    pixels = pixels + np.asarray(coarse.resize(size, Image.Resampling.BILINEAR), np.float32) - 128
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _clutter(picture: Image.Image, generator: np.random.Generator) -> None:
    """A line, a box or a disc."""
    draw = ImageDraw.Draw(picture)
    colour = drawn.colour(generator.uniform(), generator)
    x, y = (int(generator.integers(side)) for side in picture.size)
    extent = int(generator.integers(8, max(picture.size) // 4))
    kind = generator.integers(3)
    if kind == 0:
        end = (x + int(generator.integers(-4, 5)) * extent, y + 2 * extent)
        draw.line([(x, y), end], colour, int(generator.integers(1, 9)))
    elif kind == 1:
        draw.rectangle([x, y, x + extent, y + extent // 2], colour)
    else:
        draw.ellipse([x, y, x + extent, y + extent], colour)


def _petal(angle: float, inner: float, outer: float, width: float) -> list[tuple[float, float]]:
    """A pointed oval from one radius to another."""
    points = []
    for turn in np.linspace(0, 2 * math.pi, 24):
        along = inner + (outer - inner) * (1 - math.cos(turn)) / 2
        across = width * math.sin(turn)
        points.append(
            (
                256 + along * math.cos(angle) - across * math.sin(angle),
                256 + along * math.sin(angle) + across * math.cos(angle),
            )
        )
    return points


def _daisy(draw: ImageDraw.ImageDraw, hue: float, generator: np.random.Generator) -> None:
    """Many narrow petals around a disc."""
    petals = int(generator.integers(11, 20))
    colour, middle = drawn.colour(hue, generator), drawn.colour(hue + 0.1, generator)
    for petal in range(petals):
        angle = 2 * math.pi * petal / petals
        draw.polygon(_petal(angle, 50, generator.uniform(215, 250), 20), colour)
    draw.ellipse([186, 186, 326, 326], middle)


def _rose(draw: ImageDraw.ImageDraw, hue: float, generator: np.random.Generator) -> None:
    """Broad petals in rings that get smaller."""
    for ring, radius in enumerate((245, 190, 135, 80)):
        colour = drawn.colour(hue, generator)
        petals = int(generator.integers(5, 7))
        for petal in range(petals):
            angle = 2 * math.pi * (petal + ring / 2) / petals
            draw.polygon(_petal(angle, 0, radius, radius * 0.5), colour)
            draw.line(
                _petal(angle, 0, radius, radius * 0.5), drawn.colour(hue + 0.03, generator), 3
            )


def _leaf(draw: ImageDraw.ImageDraw, hue: float, generator: np.random.Generator) -> None:
    """A long leaf with veins."""
    width = generator.uniform(90, 170)
    colour, vein = drawn.colour(hue, generator), drawn.colour(hue + 0.05, generator)
    draw.polygon(_petal(0.0, -245, 245, width), colour)
    draw.line([(11, 256), (501, 256)], vein, 8)
    for x in range(70, 440, int(generator.integers(40, 70))):
        for side in (-1, 1):
            draw.line([(x, 256), (x + 50, 256 + side * width * 0.55)], vein, 4)


def _fruit(draw: ImageDraw.ImageDraw, hue: float, generator: np.random.Generator) -> None:
    """A shaded ball with a stalk."""
    colour = np.array(drawn.colour(hue, generator))
    flat = generator.uniform(0.75, 1.0)
    for step in range(30):
        share = 1 - step / 30
        shade = tuple(int(value) for value in (colour * (0.45 + 0.6 * (1 - share))).clip(0, 255))
        x, y, radius = 256 - 60 * (1 - share), 270 - 60 * (1 - share), 220 * share
        draw.ellipse([x - radius, y - radius * flat, x + radius, y + radius * flat], shade)
    draw.line([(256, 270 - 215 * flat), (285, 10)], drawn.colour(0.08, generator), 14)


CLASSES = {"daisy": _daisy, "fruit": _fruit, "leaf": _leaf, "rose": _rose}
# The middle of each class's hues, which spread far around it.
_HUES = {"daisy": 0.15, "fruit": 0.05, "leaf": 0.3, "rose": 0.95}

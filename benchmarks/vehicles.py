"""Pictures like photographs of five kinds of vehicles in streets, drawn: for benchmarks.

A vehicle stands somewhere on a road before houses, to the left or to the right, near or far, seen
at an angle, and behind posts or a bush. Its colours, and those of all else, are any.
"""

from collections.abc import Sequence
from pathlib import Path

import drawn
import numpy as np
from drawn import Colour
from PIL import Image, ImageDraw, ImageFilter

_SIDE = 320  # Of the sheet that a vehicle is drawn on; its wheels stand at _GROUND.
_GROUND = 250


def write(folder: Path, pictures: int, size: int, seed: int) -> None:
    """Draws JPEG files as `drawn.write`; sides are from `size` to 1.5 times that."""
    drawn.write(folder, CLASSES, lambda name, random: _draw(name, size, random), pictures, seed)


def _draw(name: str, size: int, generator: np.random.Generator) -> Image.Image:
    width, height = (int(side) for side in generator.integers(size, 3 * size // 2, 2))
    horizon = int(height * generator.uniform(0.3, 0.6))
    picture = _street(width, height, horizon, generator)
    sheet = Image.new("RGBA", (_SIDE, _SIDE))
    CLASSES[name](ImageDraw.Draw(sheet), generator)
    sheet = _seen(sheet, generator)
    side = int(min(width, height) * generator.uniform(0.45, 1.1))
    sheet = sheet.resize((side, side), Image.Resampling.BILINEAR)
    ground = int(generator.uniform(horizon + 0.1 * height, height))
    place = int(generator.uniform(-0.2 * side, width - 0.8 * side))
    picture.paste(sheet, (place, ground - side * _GROUND // _SIDE), sheet)
    _occluders(picture, generator)
    picture = picture.rotate(generator.uniform(-6, 6), Image.Resampling.BILINEAR)
    picture = picture.filter(ImageFilter.GaussianBlur(generator.uniform(0.2, 1.5)))
    return drawn.photographed(np.asarray(picture, np.float32), generator)


def _any_colour(generator: np.random.Generator) -> Colour:
    if generator.uniform() < 0.3:  # Greys, as many vehicles and houses have.
        level = int(generator.integers(20, 240))
        return level, level, level
    return drawn.colour(generator.uniform(), generator)


def _street(width: int, height: int, horizon: int, generator: np.random.Generator) -> Image.Image:
    """Sky, houses with windows, and a road with lines."""
    picture = Image.new("RGB", (width, height), _any_colour(generator))
    draw = ImageDraw.Draw(picture)
    left = -20
    while left < width:
        right = left + int(generator.integers(40, 140))
        top = int(horizon * generator.uniform(0, 0.7))
        draw.rectangle([left, top, right, horizon], _any_colour(generator))
        window, step = _any_colour(generator), int(generator.integers(14, 30))
        for x in range(left + 6, right - 8, step):
            for y in range(top + 8, horizon - 10, step):
                draw.rectangle([x, y, x + step // 2, y + step // 2], window)
        left = right + int(generator.integers(0, 20))
    draw.rectangle([0, horizon, width, height], (int(generator.integers(60, 170)),) * 3)
    middle = int(generator.uniform(horizon, height))
    for x in range(int(generator.integers(-30, 0)), width, 50):
        draw.line([x, middle, x + 25, middle], _any_colour(generator), 3)
    pixels = np.asarray(picture, np.float32)
    texture = drawn.noise((height, width), int(generator.integers(10, 60)), generator)
    pixels = pixels + generator.uniform(3, 15) * texture[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _seen(sheet: Image.Image, generator: np.random.Generator) -> Image.Image:
    """From the left or the right, and at an angle: one end is nearer, so larger."""
    if generator.uniform() < 0.5:
        sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    slant, shorter = generator.uniform(-0.0018, 0.0018), generator.uniform(1, 1.5)
    # Of a point of the result, (a x + b y + c, d x + e y + f) / (g x + h y + 1) is its origin.
    depth = 1 + slant * _SIDE / 2
    lift = slant * _GROUND
    matrix = (shorter * depth, 0, _SIDE / 2 * (1 - shorter), lift, depth, -lift * _SIDE / 2)
    coefficients = (*matrix, slant, 0)
    transform = Image.Transform.PERSPECTIVE
    return sheet.transform(sheet.size, transform, coefficients, Image.Resampling.BILINEAR)


def _occluders(picture: Image.Image, generator: np.random.Generator) -> None:
    """Posts and bushes in front."""
    draw, (width, height) = ImageDraw.Draw(picture), picture.size
    for _ in range(generator.integers(0, 3)):
        x, thick = int(generator.integers(width)), int(generator.integers(3, 14))
        draw.rectangle([x, 0, x + thick, height], _any_colour(generator))
    for _ in range(generator.integers(0, 3)):
        x, y = int(generator.integers(width)), int(height * generator.uniform(0.75, 1.1))
        leaves = _any_colour(generator)
        for _ in range(12):
            left, top = generator.normal((x, y), 0.06 * width)
            radius = generator.uniform(0.02, 0.06) * width
            draw.ellipse([left - radius, top - radius, left + radius, top + radius], leaves)


def _wheels(
    draw: ImageDraw.ImageDraw, centres: Sequence[float], radius: float, rim: Colour
) -> None:
    for x in centres:
        y = _GROUND - radius
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], (25, 25, 28))
        inner = 0.55 * radius
        draw.ellipse([x - inner, y - inner, x + inner, y + inner], rim)


def _car(draw: ImageDraw.ImageDraw, generator: np.random.Generator) -> None:
    """A low body, a cabin with slanted windows, two wheels."""
    paint, glass = _any_colour(generator), _any_colour(generator)
    back, front = generator.uniform(20, 50), generator.uniform(265, 300)
    belt, roof = generator.uniform(180, 195), generator.uniform(135, 155)
    a, b, c, d = (generator.uniform(*span) for span in
                  ((45, 70), (80, 115), (170, 200), (215, 245)))  # fmt: skip
    draw.polygon([(back, 235), (back, belt), (a, belt), (b, roof), (c, roof), (d, belt),
                  (front - 8, belt + 10), (front, 235)], paint)  # fmt: skip
    middle = (b + c) / 2
    draw.polygon([(a + 12, belt), (b + 4, roof + 6), (middle - 4, roof + 6), (middle - 4, belt)],
                 glass)  # fmt: skip
    draw.polygon([(middle + 4, belt), (middle + 4, roof + 6), (c - 4, roof + 6), (d - 12, belt)],
                 glass)  # fmt: skip
    _wheels(draw, (back + 45, front - 50), generator.uniform(20, 27), _any_colour(generator))


def _bus(draw: ImageDraw.ImageDraw, generator: np.random.Generator) -> None:
    """A long box with a row of windows and a door."""
    paint, glass = _any_colour(generator), _any_colour(generator)
    top, left, right = generator.uniform(85, 125), 10, 310
    draw.rounded_rectangle([left, top, right, 238], 10, paint)
    count = int(generator.integers(5, 8))
    step = (right - left - 50) / count
    for number in range(count):
        x = left + 8 + number * step
        draw.rectangle([x, top + 14, x + step - 7, top + 60], glass)
    draw.rectangle([right - 40, top + 14, right - 10, 232], glass)
    draw.line([right - 25, top + 14, right - 25, 232], paint, 3)
    _wheels(draw, (70, generator.uniform(215, 245)), 23, _any_colour(generator))


def _lorry(draw: ImageDraw.ImageDraw, generator: np.random.Generator) -> None:
    """A box or a platform with a load, and a cab with one window."""
    paint, box, glass = (_any_colour(generator) for _ in range(3))
    top, cab = generator.uniform(75, 130), generator.uniform(225, 245)
    if generator.uniform() < 0.6:
        draw.rectangle([10, top, cab - 8, 222], box)
    else:
        draw.polygon([(10, 180), (60, top + 20), (cab - 60, top + 30), (cab - 8, 180)], box)
        draw.rectangle([10, 180, cab - 8, 222], _any_colour(generator))
    draw.polygon([(cab, 236), (cab, 140), (cab + 45, 140), (cab + 62, 185), (cab + 65, 236)], paint)
    draw.polygon([(cab + 14, 182), (cab + 14, 150), (cab + 40, 150), (cab + 52, 182)], glass)
    draw.rectangle([10, 222, cab, 234], (40, 40, 40))
    _wheels(draw, (50, 95, cab + 28), 22, _any_colour(generator))


def _bicycle(draw: ImageDraw.ImageDraw, generator: np.random.Generator) -> None:
    """Two thin wheels with spokes, a frame, a saddle and a handlebar."""
    paint, tyre = _any_colour(generator), (30, 30, 30)
    radius, thick = generator.uniform(52, 64), int(generator.integers(4, 9))
    y, back, front = _GROUND - radius, 85.0, generator.uniform(225, 240)
    for x in (back, front):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], None, tyre, thick)
        for turn in np.linspace(0, np.pi, 7)[:-1]:
            reach = radius * np.array([np.cos(turn), np.sin(turn)])
            draw.line([x - reach[0], y - reach[1], x + reach[0], y + reach[1]], (150, 150, 150), 1)
    pedals, saddle = (150.0, y + 8), (128.0, y - 75)
    head = (front - 22, y - 75)
    for line in (((back, y), pedals), (pedals, saddle), (saddle, (back, y)), (saddle, head),
                 (pedals, head), (head, (front, y))):  # fmt: skip
        draw.line(line, paint, thick)
    draw.line([saddle, (124, y - 90)], paint, thick)
    draw.line([(105, y - 90), (142, y - 90)], tyre, 8)
    draw.line([head, (front - 28, y - 95), (front - 5, y - 100)], tyre, thick)


def _tractor(draw: ImageDraw.ImageDraw, generator: np.random.Generator) -> None:
    """A large wheel and a small one, a cab above the large one, a bonnet and an exhaust."""
    paint, glass = _any_colour(generator), _any_colour(generator)
    rim, roof = _any_colour(generator), generator.uniform(75, 100)
    draw.rectangle([140, 160, 270, 215], paint)
    draw.polygon([(65, 190), (75, roof), (150, roof), (160, 190)], paint)
    draw.polygon([(78, 165), (85, roof + 12), (140, roof + 12), (148, 165)], glass)
    draw.line([generator.uniform(195, 220), 165, 205, 110], (40, 40, 40), 8)
    _wheels(draw, (100,), generator.uniform(58, 68), rim)
    _wheels(draw, (245,), generator.uniform(28, 36), rim)


CLASSES = {
    "bicycle": _bicycle,
    "bus": _bus,
    "car": _car,
    "lorry": _lorry,
    "tractor": _tractor,
}

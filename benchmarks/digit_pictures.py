"""Pictures of digits as people draw, print and photograph them: a test set of 31 kinds.

Digits are strokes, traced from MNIST's images (so that hands differ as people's do), or glyphs of
four fonts. They are drawn with a pen on a paper, lit, and photographed. The part `develop` is for
choosing: its strokes are of MNIST's training images. The part `once` is read once, for the
reported figure: its strokes are of the test images. Beside them are pictures in which no single
digit can be told: blank, two digits, none.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

# Drawn at this many pixels of the shorter side, then brought to the size of the picture.
SIDE = 480
# Files that come with matplotlib; Debian ships them as fonts-dejavu and fonts-stix.
FONTS = {
    "sans": "DejaVuSans.ttf",
    "serif": "DejaVuSerif.ttf",
    "typewriter": "DejaVuSansMono-Bold.ttf",
    "times": "STIXGeneral.ttf",
}
_FONT_FOLDER = Path(matplotlib.get_data_path(), "fonts", "ttf")

# Lines of (x, y) from the upper left, float64 [N, 2]; the digit's longer side is 1.
Strokes = Sequence[np.ndarray]
Generator = np.random.Generator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """How pictures of a kind are made; each pair is a range that is drawn from.

    Attributes:
      pen: width of the strokes, in shares of the digit's height.
      height: of the digit, in shares of the picture's shorter side.
      aspect: factor of its width.
      turn: degrees.
      place: where its centre is, from 0.5 by up to this share.
      ink, paper: levels, 0 black to 255 white.
      tint: how far from grey ink and paper are.
      on_paper: what lies on the paper before the digit is drawn.
      light: multiplies what is seen.
      grain: standard deviation of the camera's noise.
      blur: radius in shares of the picture's shorter side.
      quality: of JPEG.
      font: of printed digits.
    """

    pen: tuple[float, float] = (0.07, 0.11)
    height: tuple[float, float] = (0.4, 0.7)
    aspect: tuple[float, float] = (0.9, 1.1)
    turn: float = 5.0
    place: float = 0.08
    ink: tuple[int, int] = (20, 60)
    paper: tuple[int, int] = (215, 245)
    tint: float = 4.0
    on_paper: Callable[[Image.Image, Generator], None] | None = None
    light: Callable[[int, int, Generator], np.ndarray] | None = None
    grain: tuple[float, float] = (1.0, 4.0)
    blur: tuple[float, float] = (0.001, 0.003)
    quality: tuple[int, int] = (75, 95)
    font: str = ""


def _ruled(paper: Image.Image, generator: Generator, crossed: bool = False) -> None:
    draw, (width, height) = ImageDraw.Draw(paper), paper.size
    step = int(generator.uniform(0.07, 0.14) * min(width, height))
    colour = tuple(int(level) for level in generator.integers((130, 150, 180), (190, 205, 225)))
    thick = max(1, round(generator.uniform(0.002, 0.005) * min(width, height)))
    for y in range(int(generator.integers(step)), height, step):
        draw.line([(0, y), (width, y)], colour, thick)
    for x in range(int(generator.integers(step)), width if crossed else 0, step):
        draw.line([(x, 0), (x, height)], colour, thick)


def _squared(paper: Image.Image, generator: Generator) -> None:
    _ruled(paper, generator, crossed=True)


def _frame(paper: Image.Image, generator: Generator) -> None:
    """A printed box, as forms have, around where the digit comes."""
    width, height = paper.size
    margin = generator.uniform(0.04, 0.09) * min(width, height)
    thick = round(generator.uniform(0.006, 0.015) * min(width, height))
    box = [margin, margin, width - margin, height - margin]
    level = int(generator.integers(20, 110))
    ImageDraw.Draw(paper).rectangle(box, outline=(level,) * 3, width=thick)


def _desk(paper: Image.Image, generator: Generator) -> None:
    """The paper ends, and dark wood begins."""
    width, height = paper.size
    cut = int(generator.uniform(0.05, 0.14) * width)
    wood = tuple(int(level) for level in generator.integers((60, 40, 20), (120, 85, 60)))
    side = int(generator.integers(4))
    slope = int(generator.uniform(-0.04, 0.04) * width)
    points = [(0, 0), (cut + slope, 0), (cut - slope, height), (0, height)]
    if side % 2:
        points = [(width - x, y) for x, y in points]
    if side >= 2:
        points = [(y * width // height, x * height // width) for x, y in points]
    ImageDraw.Draw(paper).polygon(points, wood)


def _specks(paper: Image.Image, generator: Generator) -> None:
    """Dust and spatters."""
    draw, (width, height) = ImageDraw.Draw(paper), paper.size
    for _ in range(int(generator.integers(15, 50))):
        x, y = generator.uniform(0, width), generator.uniform(0, height)
        radius = generator.uniform(0.001, 0.006) * min(width, height)
        level = int(generator.integers(40, 170))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], (level,) * 3)


def _stain(paper: Image.Image, generator: Generator) -> None:
    """The ring of a cup."""
    draw, side = ImageDraw.Draw(paper), min(paper.size)
    x, y = generator.uniform(0, paper.size[0]), generator.uniform(0, paper.size[1])
    radius, thick = generator.uniform(0.25, 0.5) * side, int(generator.uniform(0.01, 0.03) * side)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=(196, 172, 138),
                 width=thick)  # fmt: skip


def _coarse(paper: Image.Image, generator: Generator) -> None:
    """Fibres and blotches, as of recycled paper or a board that was wiped."""
    width, height = paper.size
    blotches = generator.normal(0, generator.uniform(5, 11), (14, 14)).astype(np.float32)
    fibres = generator.normal(0, generator.uniform(3, 7), (height // 3, width // 3))
    levels = np.asarray(paper, np.float32)
    for layer in (blotches, fibres.astype(np.float32)):
        spread = Image.fromarray(layer).resize(paper.size, Image.Resampling.BICUBIC)
        levels = levels + np.asarray(spread)[..., np.newaxis]
    paper.paste(Image.fromarray(levels.clip(0, 255).astype(np.uint8)))


def _gradient(height: int, width: int, generator: Generator) -> np.ndarray:
    """A lamp on one side."""
    angle, dark = generator.uniform(0, 2 * np.pi), generator.uniform(0.35, 0.6)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    along = (x * np.cos(angle) + y * np.sin(angle)) / (abs(np.cos(angle)) + abs(np.sin(angle)))
    return 1 - (1 - dark) * (along + 1) / 2


def _shadow(height: int, width: int, generator: Generator) -> np.ndarray:
    """An edge of a hand or a phone, across the paper and the digit."""
    angle, dark = generator.uniform(0, 2 * np.pi), generator.uniform(0.4, 0.65)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    away = x * np.cos(angle) + y * np.sin(angle) - generator.uniform(-0.35, 0.35)
    return 1 - (1 - dark) / (1 + np.exp(-away / generator.uniform(0.004, 0.03)))


KINDS: Mapping[str, Kind] = {
    "pen": Kind(),
    "pencil": Kind(ink=(120, 160), pen=(0.04, 0.07)),
    "thin": Kind(pen=(0.018, 0.035)),
    "thick": Kind(pen=(0.17, 0.23)),
    "brush": Kind(pen=(0.13, 0.18), blur=(0.006, 0.01)),
    "tall": Kind(aspect=(0.35, 0.5), pen=(0.05, 0.08)),
    "wide": Kind(aspect=(1.4, 1.7), height=(0.35, 0.5)),
    "small": Kind(height=(0.12, 0.2), place=0.2),
    "large": Kind(height=(0.8, 0.9), place=0.01),
    "corner": Kind(height=(0.25, 0.35), place=0.28),
    "turned": Kind(turn=18.0),
    "shadow": Kind(light=_shadow),
    "gradient": Kind(light=_gradient),
    "ruled": Kind(on_paper=_ruled, ink=(20, 50)),
    "squared": Kind(on_paper=_squared, ink=(20, 50)),
    "frame": Kind(on_paper=_frame, height=(0.4, 0.6), place=0.04),
    "desk": Kind(on_paper=_desk, height=(0.35, 0.5), place=0.04),
    "specks": Kind(on_paper=_specks),
    "stain": Kind(on_paper=_stain, ink=(20, 50)),
    "coarse": Kind(on_paper=_coarse),
    "board": Kind(on_paper=_coarse, ink=(205, 245), paper=(35, 70)),
    "screen": Kind(ink=(235, 255), paper=(0, 12), tint=2, grain=(0, 1)),
    "coloured": Kind(tint=45.0, ink=(40, 80), paper=(190, 220)),
    "pale": Kind(ink=(150, 175), paper=(205, 220)),
    "noise": Kind(grain=(14, 24)),
    "blurred": Kind(blur=(0.015, 0.025)),
    "squeezed": Kind(quality=(6, 14)),
    **{name: Kind(font=name, turn=3.0) for name in FONTS},
}


def picture(strokes: Strokes, digit: int, kind: Kind, generator: Generator) -> Image.Image:
    """A picture of a digit, in colour."""
    width, height = (int(side) for side in generator.integers(SIDE, SIDE * 4 // 3, 2))
    paper, ink = (_tinted(levels, kind.tint, generator) for levels in (kind.paper, kind.ink))
    sheet = Image.new("RGB", (width, height), paper)
    if kind.on_paper:
        kind.on_paper(sheet, generator)
    size = generator.uniform(*kind.height) * min(width, height)
    shape = _glyph(digit, FONTS[kind.font], size) if kind.font else _drawn(
        strokes, size, generator.uniform(*kind.aspect), generator.uniform(*kind.pen), generator
    )  # fmt: skip
    shape = shape.rotate(generator.uniform(-kind.turn, kind.turn), Image.Resampling.BICUBIC, True)
    room = [full - side for full, side in zip(sheet.size, shape.size, strict=True)]
    shift = generator.uniform(-kind.place, kind.place, 2) * min(width, height)
    place = [int(np.clip(free / 2 + move, min(free, 0), max(free, 0)))
             for free, move in zip(room, shift, strict=True)]  # fmt: skip
    sheet.paste(ink, (place[0], place[1]), shape)
    return _photographed(sheet, kind, generator)


def nothing(what: str, strokes: Sequence[Strokes], generator: Generator) -> Image.Image:
    """A picture in which no single digit is: `blank`, `two` digits, or `none`, a scribble."""
    kind = KINDS[str(generator.choice(["pen", "shadow", "ruled", "coarse", "gradient"]))]
    width, height = (int(side) for side in generator.integers(SIDE, SIDE * 4 // 3, 2))
    paper, ink = (_tinted(levels, kind.tint, generator) for levels in (kind.paper, kind.ink))
    sheet = Image.new("RGB", (width, height), paper)
    if kind.on_paper:
        kind.on_paper(sheet, generator)
    if what == "two":
        for index, each in enumerate(strokes[:2]):
            pen = generator.uniform(*kind.pen)
            shape = _drawn(each, 0.4 * min(width, height), 1.0, pen, generator)
            x = int(width * (0.28 + 0.44 * index) - shape.width / 2)
            sheet.paste(ink, (x, (height - shape.height) // 2), shape)
    elif what == "none":
        points = generator.uniform(0.15, 0.85, (int(generator.integers(9, 16)), 2)) * (
            width,
            height,
        )
        line = [(float(x), float(y)) for x, y in points]
        ImageDraw.Draw(sheet).line(line, ink, int(0.012 * min(width, height)), joint="curve")
    return _photographed(sheet, kind, generator)


def _tinted(levels: tuple[int, int], tint: float, generator: Generator) -> tuple[int, int, int]:
    level = generator.uniform(*levels)
    red, green, blue = (level + generator.uniform(-tint, tint, 3)).clip(0, 255).astype(int).tolist()
    return red, green, blue


def _drawn(
    strokes: Strokes, size: float, aspect: float, pen: float, generator: Generator
) -> Image.Image:
    """Strokes of a round pen: a mask, with a margin of the pen's width."""
    thick = max(pen * size, 1.0)
    points = [stroke * (size * aspect, size) + 2 * thick for stroke in strokes]
    wide, high = np.concatenate(points).max(axis=0) + 2 * thick
    mask = Image.new("L", (int(wide) + 1, int(high) + 1))
    draw = ImageDraw.Draw(mask)
    for stroke in points:
        radius = thick / 2 * generator.uniform(0.92, 1.08)
        line = [(float(x), float(y)) for x, y in stroke]
        draw.line(line, 255, max(1, round(2 * radius)), joint="curve")
        for x, y in stroke[[0, -1]]:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], 255)
    return mask


def _glyph(digit: int, file: str, size: float) -> Image.Image:
    font = ImageFont.truetype(str(_FONT_FOLDER / file), int(size * 1.37))
    left, top, right, bottom = font.getbbox(str(digit))
    mask = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(mask).text((4 - left, 4 - top), str(digit), 255, font)
    return mask


def _photographed(sheet: Image.Image, kind: Kind, generator: Generator) -> Image.Image:
    side = min(sheet.size)
    sheet = sheet.filter(ImageFilter.GaussianBlur(generator.uniform(*kind.blur) * side))
    pixels = np.asarray(sheet, np.float32)
    if kind.light:
        pixels = pixels * kind.light(sheet.height, sheet.width, generator)[..., np.newaxis]
    grain = generator.normal(0, max(generator.uniform(*kind.grain), 1e-6), pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))

"""How well digits are read that people draw, print and photograph: `digitline predict` by kind.

  python benchmarks/digits.py --part=develop

The pictures are drawn (digit_pictures.py). Choose on the part `develop`; the part `once` is for
the reported figure.
"""

import collections
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import digit_pictures
import numpy as np
from PIL import Image, ImageDraw
from strokes import strokes_of

from digitline.base.command_flags import flag, list_flag
from digitline.base.files import JsonObject
from digitline.base.tables import table
from digitline.data.dataset import open_dataset
from digitline.data.pipeline import records
from digitline.serving import predict

import figures

# The splits whose images are traced.
_SPLITS = {"develop": "train", "once": "test"}
# Pens, in pixels of an image of MNIST, of which one draws its strokes; what it then has in common
# with the image; and pixels of the drawing for each of the image's.
_PENS, _LEAST_OVERLAP, _FINE = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0), 0.65, 4
_BOXED = Path(predict.__file__).parent / "boxed" / "model.tflite"
_NOTHING = ("blank", "two", "none")
# What is a right answer where no single digit is.
_REFUSED = ("blank", "several_digits", "not_sure")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(figures.DatasetOptions):
    """What to measure."""

    part: str = flag("develop", "Which pictures.", group=figures.WHAT, words=_SPLITS)
    each: int = flag(30, "Pictures of each kind.", group=figures.WHAT, at_least=10)
    folder: Path | None = flag(None, "Where the pictures stay.", group=figures.WHAT)
    model: Path = flag(_BOXED, "TFLite file of the model that is asked.", group=figures.WHAT)


def run(options: Options) -> JsonObject:
    """Draws, asks, and counts."""
    with tempfile.TemporaryDirectory(prefix="digitline-") as temporary:
        folder = options.folder or Path(temporary)
        drawn = list(write(folder, options))
        answers = _answers([path for path, _ in drawn], options.model)
    right: collections.Counter[str] = collections.Counter()
    number: collections.Counter[str] = collections.Counter()
    refused = 0
    for (path, digit), (word, label) in zip(drawn, answers, strict=True):
        kind = path.parent.name
        number[kind] += 1
        if digit is None:
            right[kind] += word in _REFUSED
        else:
            right[kind] += label == str(digit)
            refused += word in _REFUSED
    kinds = [kind for kind in number if kind not in _NOTHING]
    digits = sum(number[kind] for kind in kinds)
    result = {
        "pictures": sum(number.values()),
        "right": round(sum(right[kind] for kind in kinds) / digits, 4),
        "refused": round(refused / digits, 4),
        "kinds": {kind: [right[kind], number[kind]] for kind in number},
    }
    return figures.write(f"digits-{options.part}", options, ("pillow", "numpy"), result)


def write(folder: Path, options: Options) -> Iterator[tuple[Path, int | None]]:
    """Draws the pictures into a folder for each kind.

    Yields:
      Each file, and the digit in it; None where there is none to name.
    """
    dataset = open_dataset(options.data_dir, "mnist")
    split = dataset.split(_SPLITS[options.part])
    images, labels = (value.numpy() for value in records.load(split.cut(0, 5000)))
    by_digit = [np.flatnonzero(labels == digit) for digit in range(10)]
    for kind_number, kind in enumerate((*digit_pictures.KINDS, *_NOTHING)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(options.each):
            seed = [list(_SPLITS).index(options.part), kind_number, number]
            generator = np.random.default_rng(seed)
            digit = number % 10
            traced = [
                traced_strokes(images[by_digit[each]], generator) for each in (digit, number // 10)
            ]
            path = folder / kind / f"{number:03}_{digit}.jpg"
            if kind in _NOTHING:
                picture, quality = digit_pictures.nothing(kind, traced, generator), 90
            else:
                made = digit_pictures.KINDS[kind]
                picture = digit_pictures.picture(traced[0], digit, made, generator)
                quality = int(generator.integers(*made.quality))
            picture.save(path, quality=quality)
            yield path, None if kind in _NOTHING else digit


def traced_strokes(images: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """The strokes of one of the images uint8 [N, H, W, 1]; the longer side of all is 1.

    An image is passed over where its strokes, drawn with a pen, are not it: of a loop that is
    filled with ink, for one, nothing is left.
    """
    while True:
        image = images[generator.choice(len(images))]
        lines = _smooth_lines(image)
        if max(_overlap(image, lines, pen) for pen in _PENS) >= _LEAST_OVERLAP:
            drawn = np.concatenate(lines)
            least, most = drawn.min(axis=0), drawn.max(axis=0)
            return [(line - least) / max((most - least).max(), 1.0) for line in lines]


def _smooth_lines(image: np.ndarray) -> list[np.ndarray]:
    """The strokes of an image as points (x, y), without the steps of its pixels."""
    lines = []
    for stroke in strokes_of(image[:, :, 0]):
        points = np.array([*stroke[:1], *stroke, *stroke[-1:]], np.float64)[:, ::-1]
        for _ in range(2):
            points[1:-1] = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
        lines.append(points)
    return lines


def _overlap(image: np.ndarray, lines: list[np.ndarray], pen: float) -> float:
    """Of the ink of an image, or of its lines in a pen of pixels, the share that both have."""
    height, width, _ = image.shape
    mask = Image.new("L", (width * _FINE, height * _FINE))
    draw, radius = ImageDraw.Draw(mask), pen / 2 * _FINE
    for line in lines:
        points = [((x + 0.5) * _FINE, (y + 0.5) * _FINE) for x, y in line.tolist()]
        draw.line(points, 255, round(2 * radius), joint="curve")
        for x, y in points:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], 255)
    drawn = np.asarray(mask.resize((width, height), Image.Resampling.BOX), np.int64)
    ink = image[:, :, 0].astype(np.int64)
    return float(np.minimum(drawn, ink).sum() / np.maximum(drawn, ink).sum())


def _answers(paths: list[Path], model: Path) -> list[tuple[str, str]]:
    """The word of each answer, and the class that is named."""
    words = [list_flag("tflite", [model]), "--digits"]
    printed = figures.call(predict.COMMAND, *words, *map(str, paths))
    return [(each["answer"], each["label"]) for each in printed["predictions"]]


def text(result: JsonObject) -> str:
    """Right answers by kind."""
    rows = [[kind, f"{right} of {number}"] for kind, (right, number) in result["kinds"].items()]
    head = f"{result['right']:.1%} of the digits; {result['refused']:.1%} of them refused"
    return f"{head}\n{table(['kind', 'right'], rows, [1])}"


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    from digitline.base import command

    command.main(COMMAND)

"""Pictures of a dataset: bars of its labels and samples of its images, as text and as PNG.

The PNG files need matplotlib (the extra `figures`), used by its objects alone,
so that no window system and no global state is touched.
"""

import contextlib
import dataclasses
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base import files

INSTALL = "pip install 'digitline[figures]'"

# Okabe and Ito's palette, told apart by the colour-blind too
# (https://jfly.uni-koeln.de/color/): blue, and vermilion for what is wrong.
BLUE, VERMILION, INK, PALE, GRID = "#0072b2", "#d55e00", "#1f2933", "#616e7c", "#e4e7eb"
_DPI = 120
# Classes shown, in a terminal and in a file: of more, the largest and the smallest half.
_TEXT_CLASSES, _PNG_CLASSES = 40, 150
_TEXT_WIDTH = 88
_EIGHTHS = " ▏▎▍▌▋▊▉"
# Five levels, dark to light. A character is about twice as high as it is wide.
_SHADES, _ASPECT = " ░▒▓█", 2
_PREVIEW_WIDTH = 28
_SHEET_COLUMNS = 10


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

    Args:
      num_classes: of the dataset.
      samples: how many images to pick.
      rng: of the lots.
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
        for at in np.flatnonzero(lots < self._limits[labels]).tolist():
            label, lot = int(labels[at]), float(lots[at])
            if lot >= self._limits[label]:  # An earlier one of this batch lowered it.
                continue
            kept = self._kept.setdefault(label, [])
            kept.append((lot, Sample(start + at, label, images[at].copy())))  # Lets the batch go.
            kept.sort(key=lambda entry: entry[0])
            del kept[self._quota :]
            if len(kept) == self._quota:
                self._limits[label] = kept[-1][0]

    def picked(self) -> tuple[Sample, ...]:
        """The first of each class, then the second of each class, and so on."""
        classes = [self._kept[label] for label in sorted(self._kept)]
        turns = [kept[turn] for turn in range(self._quota) for kept in classes if turn < len(kept)]
        return tuple(sample for _, sample in turns[: self._samples])


def available() -> bool:
    """Whether matplotlib can be imported."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        return False
    return True


def text_bars(label_names: Sequence[str], counts: dict[str, list[int]]) -> list[str]:
    """The label distribution as lines of text, the splits side by side.

    Args:
      label_names: by class number.
      counts: by split, the number of images of each class.
    """
    chosen, left_out = classes_shown(counts, len(label_names), _TEXT_CLASSES)
    names = [short(label_names[label], 20) for label in chosen]
    margin = max(map(len, [*names, "label"]))
    figures = max(len(f"{max(each, default=0):,}") for each in counts.values())
    width = max(4, (_TEXT_WIDTH - margin) // len(counts) - figures - 3)
    lines = ["label".ljust(margin)]
    lines += [name.ljust(margin) for name in names]
    for split, each in counts.items():
        lines[0] += f"  {split.ljust(width + 1 + figures)}"
        for row, label in enumerate(chosen, 1):
            bar = _text_bar(each[label] / max(*each, 1), width)
            lines[row] += f"  {f'{bar} {each[label]:,}'.lstrip()}".ljust(width + figures + 3)
    if left_out:
        lines.append(left_out)
    return [line.rstrip() for line in lines]


def _text_bar(share: float, width: int) -> str:
    whole, eighths = divmod(math.ceil(share * width * 8), 8)  # One image is seen, none is not.
    return "█" * whole + _EIGHTHS[eighths].strip()


def text_samples(samples: Sequence[Sample], label_names: Sequence[str]) -> list[str]:
    """Samples, all of one shape, as lines of text: side by side, as many as fit."""
    if not samples:
        return []
    height, width = samples[0].image.shape[:2]
    columns = min(max(width, 12), _PREVIEW_WIDTH)
    rows = max(1, round(height * columns / width / _ASPECT))
    shown = samples[: (_TEXT_WIDTH + 2) // (columns + 2)]
    titles = [f"{short(label_names[each.label], columns - 8)} #{each.index}" for each in shown]
    lines = ["  ".join(title.ljust(columns) for title in titles)]
    pictures = [_shrunk(each.image, rows, columns) for each in shown]
    for row in range(rows):
        shades = ("".join(_SHADES[level] for level in each[row]) for each in pictures)
        lines.append("  ".join(shades))
    lines = [line.rstrip() for line in lines]
    while not lines[-1]:
        lines.pop()
    return lines


def _shrunk(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """An image uint8 [H, W, C] as shades, int64 [rows, columns]: the mean of each box."""
    grey = image.mean(axis=2)
    for size in (rows, columns):  # Each turn does one side, and turns the image over.
        starts = np.arange(size) * len(grey) // size
        ends = np.maximum(np.arange(1, size + 1) * len(grey) // size, starts + 1)
        sums = np.cumsum(np.insert(grey, 0, 0, axis=0), axis=0)
        grey = ((sums[ends] - sums[starts]) / (ends - starts)[:, None]).T
    return (grey * len(_SHADES) / 256).astype(int)


def save_bars(
    path: Path, title: str, label_names: Sequence[str], counts: dict[str, list[int]]
) -> None:
    """Writes the label distribution as a PNG file: a panel a split, the counts on the bars."""
    chosen, left_out = classes_shown(counts, len(label_names), _PNG_CLASSES)
    names = [short(label_names[label], 32) for label in chosen]
    margin = 0.5 + 0.085 * max(map(len, names))  # Inches; so wide is a character.
    size = (margin + 4.2 * len(counts), 1.5 + 0.26 * len(chosen))
    with _figure(path, size, layout="constrained") as figure:
        panels: Any = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for axes, (split, each) in zip(panels, counts.items(), strict=True):
            values = [each[label] for label in chosen]
            bars = axes.barh(range(len(chosen)), values, height=0.72, color=BLUE)
            for text, value in zip(
                axes.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=9),
                values,
                strict=True,
            ):
                text.set_color(INK if value else VERMILION)
                text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
            axes.set_title(f"{split}: {sum(each):,} images", fontsize=11, color=INK, loc="left")
            axes.set_xlabel("images", color=PALE)
            axes.set_xlim(0, max(*values, 1) * 1.18)  # Leaves room for the longest bar's count.
            axes.locator_params(axis="x", nbins=5, integer=True)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.grid(axis="x", color=GRID)
            axes.set_axisbelow(True)
            axes.tick_params(length=0, labelcolor=INK, labelsize=9)
            axes.spines[["top", "right", "bottom"]].set_visible(False)
            axes.spines["left"].set_color(PALE)
        panels[0].set_ylabel("label", color=PALE)
        panels[0].set_ylim(len(chosen) - 0.4, -0.6)  # The first class on top.
        panels[0].set_yticks(range(len(chosen)), labels=names, parse_math=False)
        _headline(figure, f"{title}: images of each class{left_out and ', '}{left_out}")


def save_sheet(
    path: Path, title: str, samples: Sequence[Sample], label_names: Sequence[str]
) -> None:
    """Writes samples, all of one shape, as a PNG file: label above, index below."""
    columns = min(len(samples), _SHEET_COLUMNS)
    rows = math.ceil(len(samples) / columns)
    height, width = samples[0].image.shape[:2]
    # All in inches: an image with its gap, its label and its index; edges; the title.
    side, gap, edge, head = 0.95, 0.13, 0.15, 0.45
    tall = side * min(max(height / width, 0.4), 2.5)
    size = (max(columns * (side + gap) - gap + 2 * edge, 4), head + rows * (tall + 0.42) + 0.05)
    with _figure(path, size) as figure:
        # One pair of axes for all: a pair for each image takes seconds on a large sheet.
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for at, each in enumerate(samples):
            left = edge + at % columns * (side + gap)
            top = head + 0.22 + at // columns * (tall + 0.42)
            place = (left, left + side, top + tall, top)
            axes.imshow(_shown(each.image), cmap="gray", vmin=0, vmax=255, extent=place)
            style = {"ha": "center", "parse_math": False}
            name, middle = short(label_names[each.label], 13), left + side / 2
            axes.text(middle, top - 0.04, name, fontsize=9, color=INK, **style)
            index = f"#{each.index}"
            axes.text(middle, top + tall + 0.12, index, fontsize=6.5, color=PALE, **style)
        axes.set(xlim=(0, size[0]), ylim=(size[1], 0), aspect="auto")  # Each image has changed it.
        _headline(figure, title, left=edge / size[0])


def _shown(image: np.ndarray) -> np.ndarray:
    """What matplotlib draws of uint8 [H, W, C]: colours, or the mean of other channels."""
    return image[..., :3] if image.shape[2] in (3, 4) else image.mean(axis=2)


def _headline(figure: Any, title: str, left: float = 0.01) -> None:
    style = {"fontsize": 12, "fontweight": "bold", "color": INK, "parse_math": False}
    figure.suptitle(title, x=left, ha="left", **style)


@contextlib.contextmanager
def _figure(path: Path, inches: tuple[float, float], layout: Any = None) -> Iterator[Any]:
    """Gives a matplotlib figure, and writes it to `path`, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, dpi=_DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    yield figure
    with files.replacing(path) as temporary, warnings.catch_warnings():
        # A label in a script that the font lacks shows as boxes, which is to be seen.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(temporary)


def classes_shown(
    counts: dict[str, list[int]], num_classes: int, limit: int
) -> tuple[list[int], str]:
    """The classes that a chart shows, and what it says of those that it leaves out."""
    if num_classes <= limit:
        return list(range(num_classes)), ""
    total = np.sum(list(counts.values()), axis=0)
    order = np.argsort(-total, kind="stable").tolist()
    chosen = order[: limit // 2] + order[-(limit // 2) :]
    return chosen, f"the {limit // 2} largest and smallest of {num_classes:,} classes"


def short(name: str, length: int) -> str:
    """A label's name on one line, cut to `length` characters."""
    name = " ".join(name.split())
    return name if len(name) <= length else f"{name[: length - 1]}…"

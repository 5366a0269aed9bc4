"""Charts by matplotlib: the theme, a chart of a fixed size, and its files.

matplotlib is used through its objects only (no pyplot, no global state) and is imported
when the first chart is made. One unit of a chart is a pixel of a page, and a point of
matplotlib's. y grows downward.
"""

import base64
import functools
import html
import io
import math
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import ColorType

# Okabe and Ito's palette, which the colour-blind can tell apart too
# (https://jfly.uni-koeln.de/color/): blue, and vermilion for what is wrong.
# A page may set each of these by the CSS variable of its name; no two are equal.
COLORS = {
    "ink": "#1f2933",
    "pale": "#616e7c",
    "grid": "#e4e7eb",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "on-blue": "#fffffe",
}
INK, PALE, GRID, PAPER, BLUE, VERMILION, ON_BLUE = COLORS.values()
# The browser's own letters; matplotlib measures with DejaVu Sans.
_FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
# Pixels of a PNG file for each unit.
SCALE = 2
_POINTS = 72  # Units in an inch.
# x, y, width, height, in units.
Box = tuple[float, float, float, float]
_XMLNS = ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


class Chart:
    """A chart of `width` times `height` units under its title, with a note below that."""

    def __init__(self, width: float, height: float, title: str, note: str = ""):
        from matplotlib.figure import Figure

        self.width, self.height, self.title = round(width), round(height), title
        self._figure = Figure(
            (self.width / _POINTS, self.height / _POINTS), dpi=_POINTS * SCALE, facecolor=PAPER
        )
        self._paper = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self._paper.set_axis_off()
        # All images as RGBA pixels of the PNG file: to matplotlib each would take its time.
        self._images: np.ndarray | None = None
        self._tips: list[str] = []
        self.text(8, 16, title, 12, bold=True)
        self.text(8, 32, note, color=PALE)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 10,
        color: str = INK,
        align: str = "left",
        bold: bool = False,
        upright: bool = False,
    ) -> None:
        """Writes one line, as it is: a `$` begins no formula.

        Args:
          x, y: of the base line's left end, its center or its right end, by `align`.
          size: of the letters, in units.
          upright: to be read from below.
        """
        if words:
            # As keywords of an artist they would be slow: matplotlib looks each up by its name.
            text = self._paper.text(x, y, words, parse_math=False, fontsize=size, color=color)
            text.set(horizontalalignment=align)
            if bold:
                text.set_fontweight("bold")
            if upright:
                text.set(rotation=90, rotation_mode="anchor")

    def rectangles(self, boxes: Sequence[Box], colors: "Sequence[ColorType]") -> None:
        """Fills rectangles, each with its colour."""
        from matplotlib.collections import PolyCollection

        corners = [
            [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
            for x, y, width, height in boxes
        ]
        self._paper.add_collection(
            PolyCollection(corners, facecolors=colors, edgecolors="none"), autolim=False
        )

    def image(self, x: float, y: float, width: float, height: float, pixels: np.ndarray) -> None:
        """Draws uint8 [H, W, 3] with sharp edges."""
        if self._images is None:
            shape = (self.height * SCALE, self.width * SCALE, 4)
            self._images = np.zeros(shape, np.uint8)
        top, left, bottom, right = (round(edge * SCALE) for edge in (y, x, y + height, x + width))
        rows = np.arange(bottom - top) * pixels.shape[0] // max(bottom - top, 1)
        columns = np.arange(right - left) * pixels.shape[1] // max(right - left, 1)
        self._images[top:bottom, left:right, :3] = pixels[rows[:, None], columns]
        self._images[top:bottom, left:right, 3] = 255

    def axes(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        x_label: str = "",
        y_label: str = "",
    ) -> "Axes":
        """Axes in the theme's style; their limits, ticks and content are the caller's."""
        self.text((left + right) / 2, bottom + 30, x_label, color=PALE, align="center")
        self.text(8, top - 12, y_label, color=PALE)
        height, width = self.height, self.width
        axes = self._figure.add_axes(
            (left / width, 1 - bottom / height, (right - left) / width, (bottom - top) / height)
        )
        axes.set_facecolor("none")
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.spines["bottom"].set_color(PALE)
        axes.grid(axis="y", color=GRID)
        axes.set_axisbelow(True)
        axes.tick_params(colors=PALE, labelsize=10, length=0)
        axes.tick_params(axis="x", length=3)
        axes.minorticks_off()
        return axes

    def tip(self, x: float, y: float, width: float, height: float, words: str) -> None:
        """Words that a page shows while the mouse is on a rectangle."""
        self._tips.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f"<title>{html.escape(words)}</title></rect>"
        )

    def tip_at(self, axes: "Axes", x: float, y: float, words: str) -> None:
        """The same on a point of axes."""
        across, up = axes.transData.transform((x, y)) / SCALE
        self.tip(across - 4, self.height - up - 4, 8, 8, words)

    def png(self) -> bytes:
        """The content of a PNG file, on white paper."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(self._figure)
        with warnings.catch_warnings():
            # A letter that the font lacks is drawn as a box, which everybody sees.
            warnings.filterwarnings("ignore", "Glyph .* missing")
            canvas.draw()
        picture = PIL.Image.fromarray(np.asarray(canvas.buffer_rgba()))
        if self._images is not None:
            picture.alpha_composite(PIL.Image.fromarray(self._images))
        return _encoded(picture.convert("RGB"))

    def svg(self, inline: bool = False) -> str:
        """An SVG element with CSS variables as colours; `inline`, without XML's namespaces."""
        head = (
            f'<svg{"" if inline else _XMLNS} viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f'aria-label="{html.escape(self.title)}" font-family="{_FONT}">'
        )
        tips = f'<g fill="none" pointer-events="all">{"".join(self._tips)}</g>'
        body = self._drawn.replace(" xlink:href=", " href=") if inline else self._drawn
        return f"{head}{body}{tips if self._tips else ''}</svg>"

    @functools.cached_property
    def _drawn(self) -> str:
        """What is inside the SVG element."""
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        written = io.StringIO()
        style = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "digitline"})
        with style, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")
            FigureCanvasSVG(self._figure).print_svg(written, metadata={"Date": None})
        drawn = _themed(written.getvalue())
        if self._images is None:
            return drawn
        content = _encoded(PIL.Image.fromarray(self._images))
        return (
            f'{drawn}<image width="{self.width}" height="{self.height}" '
            f'style="image-rendering: pixelated" xlink:href="{uri(content)}"/>'
        )


def _themed(svg: str) -> str:
    """What is inside matplotlib's SVG, shorter, with the theme's colours and the page's letters."""
    inside = svg[svg.index('<g id="figure_1">') : svg.rindex("</svg>")]
    inside = re.sub(r"<!--.*?-->", "", inside, flags=re.DOTALL)
    # Several charts are in one page: what no part refers to loses its name.
    inside = re.sub(r' id="\w+_\d+"', "", inside)
    inside = re.sub(r"\s*\n\s*", " ", inside)
    inside = re.sub(
        r"font: (?:bold|700) ([\d.]+px) [^;\"]*", r"font-size: \1; font-weight: bold", inside
    )
    inside = re.sub(r"font: (?:\d+ )?([\d.]+px) [^;\"]*", r"font-size: \1", inside)
    inside = re.sub(r" font-family: [^;\"]*;| transform=\"rotate\(-0[^)]*\)\"", "", inside)
    for name, color in COLORS.items():
        inside = inside.replace(f": {color}", f": var(--{name}, {color})")
    return inside


def png_file(pixels: np.ndarray) -> bytes:
    """Pixels uint8 [H, W, 3] as the content of a PNG file."""
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # Grey takes a third of the bytes.
    return _encoded(PIL.Image.fromarray(np.ascontiguousarray(pixels)))


def tiled(images: np.ndarray) -> np.ndarray:
    """Images uint8 [N, h, w, 3] in as many rows as columns; places that are left are black."""
    count, height, width, channels = images.shape
    side = math.ceil(math.sqrt(count))
    sheet = np.zeros((side * side, height, width, channels), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    return sheet.reshape(side * height, side * width, channels)


def uri(png: bytes) -> str:
    """The content of a PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _encoded(picture: PIL.Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def visible(image: np.ndarray) -> np.ndarray:
    """An image uint8 [H, W, C] as uint8 [H, W, 3]; channels that are not colours are averaged."""
    if image.shape[2] in (3, 4):
        return image[..., :3]
    return np.repeat(image.mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)


def width_of(words: str, size: float = 10) -> float:
    """About how wide words are, in units; Chinese and Japanese letters are squares."""
    return size * sum(1.0 if letter > "\u2e7f" else 0.62 for letter in words)

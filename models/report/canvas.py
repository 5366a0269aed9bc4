"""A drawing of a few kinds of marks, kept once and written as SVG or as PNG.

Charts are drawn here and not by matplotlib: a report is written after every
training, where half a second counts and matplotlib may not be installed, and
a chart in a page must follow the page's light or dark colours.
"""

import base64
import dataclasses
import functools
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...data.inspection import charts

# Colours by what they are for. In a page each follows the variable of its name.
COLORS = {
    "ink": charts.INK,
    "pale": charts.PALE,
    "grid": charts.GRID,
    "paper": "#ffffff",
    "blue": charts.BLUE,
    "vermilion": charts.VERMILION,
    "on-blue": "#ffffff",
}
FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
# Pixels of a PNG file for each unit of a drawing; drawn finer where it is small, for smooth lines.
_SCALE, _FINER, _SMALL = 2, 2, 250_000


@dataclasses.dataclass(frozen=True)
class _Mark:
    """`kind` with its numbers and words, by name."""

    kind: str
    at: dict[str, Any]


class Canvas:
    """Marks on paper of `width` times `height` units (pixels of a page).

    Colours are names in `COLORS`.

    Args:
      width, height: of the paper.
      title: what is drawn, for those who do not see it.
    """

    def __init__(self, width: float, height: float, title: str):
        self.width, self.height, self.title = round(width), round(height), title
        self._marks: list[_Mark] = []

    def _add(self, kind: str, **at: Any) -> None:
        self._marks.append(_Mark(kind, at))

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        color: str,
        opacity: float = 1.0,
        tip: str = "",
    ) -> None:
        """A filled rectangle; `tip` is shown under a mouse."""
        self._add("rect", x=x, y=y, w=w, h=h, color=color, opacity=opacity, tip=tip)

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float = 1.0) -> None:
        """A line through the points."""
        self._add("line", points=tuple(points), color=color, width=width)

    def dot(self, x: float, y: float, radius: float, color: str, tip: str = "") -> None:
        """A filled circle."""
        self._add("dot", x=x, y=y, radius=radius, color=color, tip=tip)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 11,
        color: str = "ink",
        anchor: str = "start",
        bold: bool = False,
        upright: bool = False,
    ) -> None:
        """Words whose base line is at y.

        Args:
          x, y: of the start, middle or end of the base line, by `anchor`.
          words: on one line.
          size: of the letters.
          color: of the letters.
          anchor: start, middle or end.
          bold: heavy letters.
          upright: turned by a quarter, to be read from below.
        """
        self._add("text", x=x, y=y, words=words, size=size, color=color, anchor=anchor, bold=bold,
                  upright=upright)  # fmt: skip

    def image(self, x: float, y: float, w: float, h: float, pixels: np.ndarray) -> None:
        """Pixels uint8 [H, W, 3 or 4], their edges sharp."""
        self._add("image", x=x, y=y, w=w, h=h, pixels=pixels)

    def svg(self, themed: bool = False) -> str:
        """The drawing as an SVG element.

        Args:
          themed: for a page that sets the colours, without paper of its own.
        """
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f'aria-label="{html.escape(self.title)}" font-family="{FONT}">'
        )
        if themed:  # An address that nothing asks for, but a page says that it has none.
            head = head.replace(' xmlns="http://www.w3.org/2000/svg"', "")
            head = head.replace(f' font-family="{FONT}"', "")
        paper = "" if themed else f'<rect width="100%" height="100%" fill="{COLORS["paper"]}"/>'
        body = "".join(_svg(mark.kind, mark.at, themed) for mark in self._marks)
        return f"{head}{paper}{body}</svg>"

    def png(self) -> bytes:
        """The drawing as the content of a PNG file, on white paper."""
        finer = _FINER if self.width * self.height <= _SMALL else 1
        scale = _SCALE * finer
        sheet = Image.new("RGB", (self.width * scale, self.height * scale), COLORS["paper"])
        pen = ImageDraw.Draw(sheet)
        for mark in self._marks:
            _paint(sheet, pen, mark.kind, mark.at, scale)
        if finer > 1:
            sheet = sheet.reduce(finer)
        return _encoded(sheet)


def width_of(words: str, size: float = 11) -> float:
    """About how wide words are."""
    return _font(64).getlength(words) * size / 64


def png_uri(pixels: np.ndarray) -> str:
    """Pixels uint8 [H, W, 3 or 4] as a `data:` address of a PNG file."""
    return f"data:image/png;base64,{base64.b64encode(png_file(pixels)).decode()}"


def png_file(pixels: np.ndarray) -> bytes:
    """Pixels uint8 [H, W, 3 or 4] as the content of a PNG file."""
    if pixels.shape[2] == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # Grey takes a third of the bytes.
    return _encoded(Image.fromarray(pixels))


def visible(image: np.ndarray) -> np.ndarray:
    """A dataset's image uint8 [H, W, C] as it is shown, uint8 [H, W, 3].

    Colours stay; of channels that are no colours, the mean.
    """
    if image.shape[2] in (3, 4):
        return image[..., :3]
    return np.repeat(image.mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)


def _encoded(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _svg(kind: str, at: dict[str, Any], themed: bool) -> str:
    def paint(what: str) -> str:
        name = at["color"]
        if themed:  # Presentation attributes may not hold variables everywhere; styles may.
            return f'style="{what}:var(--{name})"'
        return f'{what}="{COLORS[name]}"'

    tip = f"<title>{html.escape(at['tip'])}</title>" if at.get("tip") else ""
    if kind == "rect":
        see = f' fill-opacity="{at["opacity"]:.3g}"' if at["opacity"] < 1 else ""
        return (
            f'<rect x="{at["x"]:.2f}" y="{at["y"]:.2f}" width="{at["w"]:.2f}" '
            f'height="{at["h"]:.2f}" {paint("fill")}{see}>{tip}</rect>'
        )
    if kind == "line":
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at["points"])
        return (
            f'<polyline points="{points}" fill="none" {paint("stroke")} '
            f'stroke-width="{at["width"]:g}" stroke-linejoin="round"/>'
        )
    if kind == "dot":
        return (
            f'<circle cx="{at["x"]:.1f}" cy="{at["y"]:.1f}" r="{at["radius"]:g}" '
            f"{paint('fill')}>{tip}</circle>"
        )
    if kind == "image":
        return (
            f'<image x="{at["x"]:.2f}" y="{at["y"]:.2f}" width="{at["w"]:.2f}" '
            f'height="{at["h"]:.2f}" preserveAspectRatio="none" '
            f'style="image-rendering:pixelated" href="{png_uri(at["pixels"])}"/>'
        )
    turn = f' transform="rotate(-90 {at["x"]:.1f} {at["y"]:.1f})"' if at["upright"] else ""
    weight = ' font-weight="600"' if at["bold"] else ""
    return (
        f'<text x="{at["x"]:.1f}" y="{at["y"]:.1f}" font-size="{at["size"]:g}" {paint("fill")} '
        f'text-anchor="{at["anchor"]}"{weight}{turn}>{html.escape(at["words"])}</text>'
    )


def _paint(sheet: Image.Image, pen: Any, kind: str, at: dict[str, Any], scale: int) -> None:
    if kind == "rect":
        x, y = at["x"] * scale, at["y"] * scale
        right, bottom = x + at["w"] * scale - 1, y + at["h"] * scale - 1
        if right >= x and bottom >= y:
            pen.rectangle((x, y, right, bottom), fill=_mixed(at["color"], at["opacity"]))
    elif kind == "line":
        points = [(x * scale, y * scale) for x, y in at["points"]]
        pen.line(points, COLORS[at["color"]], max(1, round(at["width"] * scale)), "curve")
    elif kind == "dot":
        x, y, radius = (at[name] * scale for name in ("x", "y", "radius"))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), COLORS[at["color"]])
    elif kind == "image":
        size = (max(1, round(at["w"] * scale)), max(1, round(at["h"] * scale)))
        picture = Image.fromarray(at["pixels"]).resize(size, Image.Resampling.NEAREST)
        place = (round(at["x"] * scale), round(at["y"] * scale))
        sheet.paste(picture, place, picture if picture.mode == "RGBA" else None)
    else:
        _write(sheet, pen, at, scale)


def _write(sheet: Image.Image, pen: Any, at: dict[str, Any], scale: int) -> None:
    font = _font(round(at["size"] * scale))
    color, anchor = COLORS[at["color"]], {"start": "l", "middle": "m", "end": "r"}[at["anchor"]]
    heavy = scale // 4 if at["bold"] else 0  # The font has one weight.
    place = (at["x"] * scale, at["y"] * scale)
    if not at["upright"]:
        pen.text(place, at["words"], color, font, f"{anchor}s", stroke_width=heavy)
        return
    length, tall = round(font.getlength(at["words"])) + 2, round(at["size"] * scale * 1.4)
    mask = Image.new("L", (length, tall))
    ImageDraw.Draw(mask).text((0, tall * 0.75), at["words"], 255, font, "ls")
    mask = mask.transpose(Image.Transpose.ROTATE_90)
    up = {"start": length, "middle": length / 2, "end": 0}[at["anchor"]]
    sheet.paste(color, (round(place[0] - tall * 0.75), round(place[1] - up)), mask)


def _mixed(name: str, opacity: float) -> tuple[int, int, int]:
    """A colour laid over white paper."""
    rgb = [int(COLORS[name][at : at + 2], 16) for at in (1, 3, 5)]
    red, green, blue = (round(255 + (each - 255) * opacity) for each in rgb)
    return red, green, blue


@functools.cache
def _font(size: int) -> Any:
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)  # Knows more scripts, where it is there.
    except OSError:
        return ImageFont.load_default(size)

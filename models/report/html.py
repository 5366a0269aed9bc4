"""A page of one file: its frame, its colours, its script, and the parts it is made of."""

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence

from .canvas import FONT, Canvas

_SCRIPT = """
for (const box of document.querySelectorAll("[data-paged]")) {
  const size = Number(box.dataset.paged), tiles = [...box.children];
  if (tiles.length <= size) continue;
  const bar = document.createElement("div"), told = document.createElement("span");
  bar.className = "pager";
  told.setAttribute("aria-live", "polite");
  let first = 0;
  const button = (words, step) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.onclick = () => show(first + step);
    return made;
  };
  const back = button("Previous", -size), on = button("Next", size);
  const show = (at) => {
    first = Math.max(0, Math.min(at, Math.floor((tiles.length - 1) / size) * size));
    tiles.forEach((tile, n) => { tile.hidden = n < first || n >= first + size; });
    told.textContent = `${first + 1} to ${Math.min(first + size, tiles.length)} of ${tiles.length}`;
    back.disabled = first === 0;
    on.disabled = first + size >= tiles.length;
  };
  bar.append(back, told, on);
  box.before(bar);
  show(0);
}
"""

_STYLE = (
    """
:root { color-scheme: light dark; --ink: #1f2933; --pale: #616e7c; --grid: #e4e7eb;
  --paper: #ffffff; --card: #f7f8f9; --blue: #0072b2; --vermilion: #d55e00; --on-blue: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --pale: #a3b0bd; --grid: #34404c;
  --paper: #12181e; --card: #1a222b; --blue: #56b4e9; --vermilion: #f08a3c; --on-blue: #0b1117; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 12px; background: var(--paper);
  color: var(--ink); line-height: 1.45; overflow-wrap: anywhere; font-family: """
    + FONT
    + """; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem;
  border-bottom: 1px solid var(--grid); padding-bottom: .3rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; } p { margin: .4rem 0; max-width: 75ch; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; } a { color: var(--blue); }
nav a { padding: .3rem 0; }
.pale { color: var(--pale); font-size: .9rem; }
.note { border-left: 4px solid var(--vermilion); padding: .4rem .8rem; background: var(--card); }
.numbers { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
.numbers div { background: var(--card); padding: .5rem .8rem; border-radius: 6px; flex: 1 0 9rem; }
.numbers b { display: block; font-size: 1.15rem; }
.charts { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; }
.chart { overflow-x: auto; max-width: 100%; background: var(--card); border-radius: 6px; }
.chart svg { display: block; } .chart.fits svg { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--grid);
  vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 8rem; }
table.words :is(th, td) { text-align: left; white-space: normal; min-width: 7rem; }
table.words :is(th, td):first-child { white-space: nowrap; }
th { color: var(--pale); font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)); gap: 10px; }
.tile { margin: 0; background: var(--card); border-radius: 6px; padding: 6px; font-size: .8rem;
  text-align: center; } .tile[hidden] { display: none; }
.tile img { width: 64px; height: 64px; object-fit: contain; image-rendering: pixelated;
  display: block; margin: 0 auto 4px; }
.pager { display: flex; gap: .8rem; align-items: center; margin: .6rem 0; }
button { font: inherit; padding: .4rem .9rem; border-radius: 6px; border: 1px solid var(--pale);
  background: var(--card); color: var(--ink); } button:disabled { opacity: .45; }
summary { cursor: pointer; padding: .3rem 0; }
"""
)


def page(title: str, body: Iterable[str]) -> str:
    """The whole file.

    Args:
      title: as the window shows it.
      body: parts, in HTML.
    """
    # The script by its digest: nothing else runs, and nothing is asked of any network.
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'  # Else a browser asks for one.
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def escape(words: object) -> str:
    """Any text, shown as it is."""
    return html.escape(str(words))


def section(name: str, title: str, *parts: str) -> str:
    """A part of the page with its heading; nothing if it holds nothing."""
    inside = "\n".join(part for part in parts if part)
    return (
        f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{inside}\n</section>' if inside else ""
    )


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(words)}</p>' if kind else f"<p>{escape(words)}</p>"


def charts(*drawn: Canvas | None) -> str:
    """Charts side by side, as many as fit; a wide one is scrolled."""
    boxes = []
    for canvas in drawn:
        if canvas is not None:
            fits = " fits" if canvas.width <= 360 else ""
            boxes.append(f'<div class="chart{fits}">{canvas.svg(themed=True)}</div>')
    return f'<div class="charts">{"".join(boxes)}</div>' if boxes else ""


def table(head: Sequence[object], rows: Iterable[Sequence[object]], words: bool = False) -> str:
    """A table; `words` where its cells are text and no figures."""
    top = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>\n" for row in rows
    )
    kind = ' class="words"' if words else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody>'
        "</table></div>"
    )


def numbers(figures: Iterable[tuple[str, str]]) -> str:
    """A few large figures, each with what it is."""
    boxes = "".join(f"<div><b>{escape(value)}</b>{escape(what)}</div>" for value, what in figures)
    return f'<div class="numbers">{boxes}</div>'


def details(title: str, inside: str) -> str:
    """A part that opens on demand."""
    return f"<details><summary>{escape(title)}</summary>\n{inside}\n</details>" if inside else ""


def share(value: float | None) -> str:
    """`99.12 %` on one line, or a dash for nothing."""
    return "–" if value is None else f"{value * 100:.2f}\N{NO-BREAK SPACE}%"

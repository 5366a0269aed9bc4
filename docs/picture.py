"""Draws the README's picture: a real test image on its way through a real export.

  python docs/picture.py --saved_model=exports/saved_model/lenet5/1

Everything in it is read: the pixels from the prepared dataset, the
probabilities from the exported model.
"""

from pathlib import Path

import numpy as np
from absl import app, flags

from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.serving import artifacts as runtime

_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "The export to ask.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.")
_IMAGE = flags.DEFINE_integer("image", 18, "Index of the test image.")

_STAGES = (
    ("raw bytes", "checked by digest"),
    ("TFRecords", "digitline prepare"),
    ("run folder", "digitline train"),
    ("SavedModel, TFLite", "digitline export"),
    ("answers", "digitline predict"),
)
_INK, _PALE, _LINE, _BAR, _BEST = "#1f2933", "#52606d", "#9aa5b1", "#9fb3c8", "#0b6e99"
_STYLE = "font-family:-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


def _text(x: float, y: float, words: str, size: int = 13, colour: str = _INK, anchor="middle"):
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{words}</text>'
    )


def _arrow(x: float, y: float, length: float) -> str:
    end = x + length
    return (
        f'<path d="M{x:g} {y:g}H{end - 5:g}" stroke="{_LINE}" stroke-width="1.5"/>'
        f'<path d="M{end:g} {y:g}l-7 -4v8z" fill="{_LINE}"/>'
    )


def _pixels(image: np.ndarray, x: float, y: float, side: float) -> str:
    """An image as one path for each grey level."""
    size = side / len(image)
    parts = [f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" fill="#000"/>']
    levels = np.rint(image / 17).astype(int)  # 16 levels, 0 to 15.
    for level in range(1, 16):
        cells = "".join(
            f"M{x + column * size:.2f} {y + row * size:.2f}h{size:.2f}v{size:.2f}h-{size:.2f}z"
            for row, column in np.argwhere(levels == level)
        )
        if cells:
            parts.append(f'<path d="{cells}" fill="#{level:x}{level:x}{level:x}"/>')
    return "".join(parts)


def _bars(probabilities: np.ndarray, labels: tuple[str, ...], x: float, y: float) -> str:
    parts = []
    best = int(probabilities.argmax())
    for number, (label, share) in enumerate(zip(labels, probabilities, strict=True)):
        top = y + number * 14
        colour = _BEST if number == best else _BAR
        parts.append(_text(x, top + 10, label, 11, _PALE, "end"))
        parts.append(
            f'<rect x="{x + 6:g}" y="{top + 1:g}" width="{max(share * 150, 0.5):.2f}" '
            f'height="10" fill="{colour}"/>'
        )
        if share >= 0.0005:
            parts.append(_text(x + 12 + share * 150, top + 10, f"{share:.1%}", 11, _PALE, "start"))
    return "".join(parts)


def main(_: list[str]) -> None:
    """Writes line.svg beside this file."""
    dataset = open_dataset(Path(_DATA_DIR.value), "mnist")
    images, labels = load(dataset.split(f"test[{_IMAGE.value}:{_IMAGE.value + 1}]"))
    classifier = runtime.open_saved_model(Path(_SAVED_MODEL.value))
    image = images.numpy()
    probabilities = classifier.run(image)["probabilities"][0]
    padded = np.pad(image[0, :, :, 0], 2)

    body = []
    for number, (what, command) in enumerate(_STAGES):
        x = 8 + number * 170
        body.append(
            f'<rect x="{x}" y="8" width="140" height="52" rx="6" fill="#f5f7fa" stroke="{_LINE}"/>'
        )
        body.append(_text(x + 70, 31, what))
        body.append(_text(x + 70, 49, command, 11, _PALE))
        if number:
            body.append(_arrow(x - 27, 34, 24))
    body.append(_pixels(image[0, :, :, 0], 80, 92, 112))
    body.append(_text(136, 224, f"test image {_IMAGE.value}, a {int(labels[0])}", 12))
    body.append(_text(136, 241, "28x28, uint8, as a client sends it", 11, _PALE))
    body.append(_arrow(206, 148, 84))
    body.append(_pixels(padded, 304, 84, 128))
    body.append(
        '<rect x="312" y="92" width="112" height="112" fill="none" stroke="#f0b429" '
        'stroke-dasharray="3 3"/>'
    )
    body.append(_text(368, 230, "padded to 32x32 and normalized", 12))
    body.append(_text(368, 247, "by the graph inside the export", 11, _PALE))
    body.append(_arrow(446, 148, 84))
    body.append(_bars(probabilities, dataset.label_names, 568, 76))
    body.append(_text(640, 234, "probabilities of LeNet-5", 12))
    body.append(_text(640, 251, "the same from SavedModel and TFLite", 11, _PALE))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 836 262" style="{_STYLE}">'
        '<rect width="836" height="262" fill="#fff"/>' + "".join(body) + "</svg>\n"
    )
    (Path(__file__).parent / "line.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    app.run(main)

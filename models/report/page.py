"""Pages of one file each, from the templates: the report of a run, and what others share."""

import base64
import dataclasses
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import configs, progress
from ...base.charts import Chart, png_file, tiled, uri
from ...base.tables import short
from ...data.inspection.charts import thumbnail
from ..evaluation.metrics import wilson_interval
from ..evaluation.result import CORRUPTIONS_HEAD, corruption_rows
from . import network
from .facts import Facts, Result
from .figures import MATRIX

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = 32
# Pixels of a side of an image on the page.
_SIDE = 64
_NOTHING = np.zeros((1, 1, 3), np.uint8)
# Parts of config.json that open on demand.
_SETTINGS = {"recipe": "Recipe", "preprocess": "Preprocessing", "pipeline": "Pipeline"}


def render(template: str, **values: object) -> str:
    """A template that extends `page.html`; all text is escaped, since class names are people's."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "svg": lambda chart: Markup(chart.svg(inline=True)),  # noqa: S704 (escapes its texts)
        "share": share,
        "short": lambda name: short(name, _NAME),
        "number": "{:,.0f}".format,
        "duration": progress.duration,
    }
    script = environment.get_template("page.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template(template)
    return page.render(script=Markup(script), digest=digest, **values) + "\n"  # noqa: S704 (ours)


def share(value: float | None) -> str:
    """`99.12 %` on one line, or a dash for nothing."""
    return "–" if value is None else f"{value * 100:.2f}\N{NO-BREAK SPACE}%"


def report(facts: Facts, drawn: dict[str, Chart]) -> str:
    """The page of a run with its figures, by name."""
    config, result = facts.config, facts.result
    shown = {
        "Data": result,
        "Training": True,
        "Result": result,
        "Robustness": facts.robustness,
        "Inside": facts.model,
        "Artifacts": facts.exports,
        "Provenance": True,
    }
    return render(
        "report.html",
        title=f"{config.model} on {config.dataset.name}",
        sections=[name for name, there in shown.items() if there],
        facts=facts,
        names=config.label_names,
        drawn=lambda *names: [drawn[name] for name in names if name in drawn],
        sprite=_sprite([item.image for item in (*result.samples, *result.mistakes)])
        if result
        else None,
        train_split=config.dataset.train_split,
        augmentation=_augmentation(facts),
        scaling=_scaling(facts),
        interval=_interval(result) if result else "",
        matrix_classes=MATRIX,
        classes=_classes(result, config.label_names) if result else [],
        corruptions=(CORRUPTIONS_HEAD, corruption_rows),
        layers=_layers(facts),
        artifacts=_artifacts(facts),
        provenance=_provenance(facts),
        settings=[(title, list(facts.recorded[name].items())) for name, title in _SETTINGS.items()],
    )


@dataclasses.dataclass(frozen=True)
class _Sprite:
    """Many images as one PNG file (thousands of small files would be slow), in rows.

    Attributes:
      uri: the PNG file as a `data:` address.
      width, height: of an image on the page, in pixels.
      size: CSS's background-size.
      positions: CSS's background-position of each image; empty for those left out.
    """

    uri: str
    width: int
    height: int
    size: str
    positions: list[str]


def _sprite(images: Sequence[np.ndarray | None]) -> _Sprite:
    """The images uint8 [H, W, C], all of one shape; the last may be left out."""
    small = np.stack([thumbnail(image) for image in images if image is not None] or [_NOTHING])
    columns = math.ceil(math.sqrt(len(small)))
    scale = _SIDE / max(small.shape[1:3])
    height, width = (max(round(side * scale), 1) for side in small.shape[1:3])
    positions = []
    for number, image in enumerate(images):
        y, x = divmod(number, columns)
        positions.append("" if image is None else f"{-x * width}px {-y * height}px")
    return _Sprite(
        uri(png_file(tiled(small))), width, height, f"{columns * width}px auto", positions
    )


def _interval(result: Result) -> str:
    low, high = wilson_interval(result.evaluation.correct, result.evaluation.examples)
    return f"{low * 100:.2f} to {high * 100:.2f}\N{NO-BREAK SPACE}%"


def _augmentation(facts: Facts) -> str:
    return ", ".join(
        name.removeprefix("augment_") + ("" if value is True else f" {value:g}")
        for name, value in configs.to_config(facts.config.recipe).items()
        if name.startswith("augment_") and value
    )


def _scaling(facts: Facts) -> str:
    preprocess = facts.config.preprocess
    low, high = 0.0 - preprocess.mean / preprocess.std, (1 - preprocess.mean) / preprocess.std
    before, after = (
        "×".join(map(str, shape)) for shape in (preprocess.image_shape, preprocess.output_shape)
    )
    return f"{before} to {after} pixels; black is {low:.3g} for the network, white {high:.3g}."


def _classes(result: Result, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    mistakes = result.evaluation.confusion * (1 - np.eye(len(names), dtype=np.int64))
    rows = []
    for name, row, wrong in zip(names, result.evaluation.by_class(), mistakes, strict=True):
        most = int(wrong.argmax())
        taken = f"{names[most]} ({wrong[most]:,})" if wrong[most] else "–"
        shares = (share(value) for value in (row.precision, row.recall, row.f1))
        rows.append((name, f"{row.images:,}", *shares, taken))
    return rows


def _layers(facts: Facts) -> list[tuple[str, ...]]:
    if facts.model is None:
        return []
    every = network.Layer("all", "", "", facts.model.count_params())
    return [(*row[:3], f"{row.parameters:,}") for row in (*network.layers(facts.model), every)]


def _artifacts(facts: Facts) -> list[tuple[str, ...]]:
    return [
        (
            f"{artifact.name} {artifact.version}",
            artifact.title,
            f"{artifact.bytes:,}",
            artifact.split,
            share(artifact.accuracy),
            share(artifact.agreement),
            "–" if artifact.p50_us is None else f"{artifact.p50_us:,.0f} µs",
        )
        for artifact in facts.exports
    ]


def _provenance(facts: Facts) -> list[tuple[str, object]]:
    recorded, dataset = facts.recorded, facts.config.dataset
    return [
        ("network", recorded["model"]),
        ("recipe", recorded["recipe_name"]),
        ("seed", recorded["seed"]),
        ("dataset", f"{dataset.name} {dataset.version}"),
        ("dataset's fingerprint", dataset.fingerprint),
        ("training split", dataset.train_split),
        ("validation split", dataset.validation_split),
        *(
            ("mixed in", f"{mixed.name} {mixed.split}, weight {mixed.weight:g}")
            for mixed in dataset.mix
        ),
        ("digitline", recorded.get("digitline", "–")),
        *sorted(recorded.get("packages", {}).items()),
        ("commit", recorded.get("git_commit") or "–"),
    ]

"""The page of a run: report.html."""

from collections.abc import Mapping
from typing import Any

from ...base import progress
from ...data.inspection.charts import short
from ..evaluation.metrics import wilson_interval
from . import html as report_html
from . import inside
from .canvas import Canvas, png_uri
from .facts import Facts, Mistake, Result
from .figures import MATRIX
from .html import charts, escape, paragraph, section, share, table
from .sheets import thumbnail

_PAGE = 48


def page(facts: Facts, drawn: Mapping[str, Canvas]) -> str:
    """The whole page.

    Args:
      facts: of the run.
      drawn: its figures, by name.
    """
    config = facts.config
    sections = {
        "Data": _data(facts, drawn),
        "Training": _training(facts, drawn),
        "Result": _result(facts, drawn),
        "Inside": _inside(facts, drawn),
        "Artifacts": _artifacts(facts),
        "Provenance": _provenance(facts),
    }
    title = f"{config.model} on {config.dataset['name']}"
    links = "".join(
        f'<a href="#{name.lower()}">{name}</a>' for name, body in sections.items() if body
    )
    top = [f"<h1>{escape(title)}</h1>", f"<nav>{links}</nav>", _headline(facts)]
    top += [paragraph(note, "note") for note in facts.notes]
    return report_html.page(title, [*top, *(body for body in sections.values() if body)])


def _headline(facts: Facts) -> str:
    found = []
    if facts.result is not None:
        evaluation = facts.result.evaluation
        low, high = wilson_interval(evaluation.correct, evaluation.examples)
        found += [
            (share(evaluation.accuracy), f"accuracy on {facts.result.split}"),
            (
                f"{low * 100:.2f} to {high * 100:.2f}\N{NO-BREAK SPACE}%",
                "its 95 % confidence interval",
            ),
            (f"{len(facts.result.mistakes):,}", f"mistakes in {evaluation.examples:,} images"),
        ]
    if facts.record is not None:
        found += [
            (f"{facts.record['parameters']:,}", "parameters"),
            (progress.duration(facts.record["seconds"]), "training"),
        ]
    return report_html.numbers(found) if found else ""


def _data(facts: Facts, drawn: Mapping[str, Canvas]) -> str:
    if facts.data is None:
        return ""
    names = facts.config.label_names
    tiles = [
        _tile(each.image, f"{_bold(names[each.label])}<br>#{each.index}", names[each.label])
        for each in facts.data.samples
    ]
    recipe = facts.config.recipe.to_config()
    changes = {
        name.removeprefix("augment_"): value
        for name, value in recipe.items()
        if name.startswith("augment_") and value
    }
    told = ", ".join(f"{name} {value:g}" for name, value in changes.items())
    return section(
        "data",
        "Data",
        "<h3>Images of each class</h3>",
        charts(drawn.get("labels-training"), drawn.get("labels-evaluated")),
        f"<h3>Samples of {escape(facts.config.dataset['train_split'])}</h3>",
        f'<div class="tiles">{"".join(tiles)}</div>',
        "<h3>What the network sees</h3>",
        paragraph(
            "Each image raw; as the network's input, after cutting or padding; and as training "
            f"had it in its first epochs, changed at random ({told})."
            if told
            else "Each image raw, and as the network's input. Training changed nothing at random."
        ),
        paragraph(_scaling(facts), "pale"),
        charts(drawn.get("seen")),
    )


def _scaling(facts: Facts) -> str:
    preprocess = facts.config.preprocess
    low, high = 0.0 - preprocess.mean / preprocess.std, (1 - preprocess.mean) / preprocess.std
    sizes = ("×".join(map(str, each)) for each in (preprocess.image_shape, preprocess.output_shape))
    return f"{' to '.join(sizes)} pixels; black is {low:.3g} for the network, white {high:.3g}."


def _training(facts: Facts, drawn: Mapping[str, Canvas]) -> str:
    if not facts.rows:
        return section("training", "Training", paragraph("No step is logged yet."))
    last = facts.rows[-1]
    told = f"{last['step']:,} steps, {last['epoch']:.2f} epochs"
    if facts.record is not None:
        record = facts.record
        told = (
            f"{record['steps']:,} steps in {progress.duration(record['seconds'])}, "
            f"{record['images_per_s']:,.0f} images/s in all; ended by {record['ended_by']}."
        )
        if record.get("best"):
            best = record["best"]
            told += (
                f" Best validation accuracy {share(best['validation_accuracy'])} at step "
                f"{best['step']:,}; the weights kept are the {facts.config.recipe.keep}."
            )
    names = ("loss", "accuracy", "learning_rate", "images_per_s")
    shown = [drawn.get(name) for name in names]
    return section("training", "Training", paragraph(told), charts(*shown))


def _result(facts: Facts, drawn: Mapping[str, Canvas]) -> str:
    result = facts.result
    if result is None:
        return ""
    evaluation, names = result.evaluation, facts.config.label_names
    low, high = wilson_interval(evaluation.correct, evaluation.examples)
    words = (
        f"On {evaluation.examples:,} images of {result.split}: accuracy "
        f"{share(evaluation.accuracy)} (95 % confidence interval {low * 100:.2f} to "
        f"{high * 100:.2f}\N{NO-BREAK SPACE}%), loss {evaluation.loss:.4f}, calibration error "
        f"{share(evaluation.calibration_error)}."
    )
    limit = f" The matrix shows {MATRIX} of {len(names):,} classes." if len(names) > MATRIX else ""
    pages = "".join(_mistake(each, names) for each in result.mistakes)
    return section(
        "result",
        "Result",
        paragraph(words),
        "<h3>Confusion</h3>",
        paragraph("Rows are true classes; blue is right, orange is wrong." + limit, "pale"),
        charts(drawn.get("confusion"), drawn.get("confusion-rates"), drawn.get("calibration")),
        "<h3>By class</h3>",
        _classes(result, names),
        f"<h3>Misclassified: all {len(result.mistakes):,}, the surest mistakes first</h3>"
        if pages
        else "",
        paragraph("Each with the probability of what it was taken for and its place.", "pale")
        if pages
        else paragraph("No image is misclassified."),
        f'<div class="tiles" id="mistakes" data-paged="{_PAGE}">{pages}</div>' if pages else "",
    )


def _classes(result: Result, names: tuple[str, ...]) -> str:
    confusion = result.evaluation.confusion
    rows = []
    for number, (name, row) in enumerate(zip(names, result.evaluation.by_class(), strict=True)):
        wrong = confusion[number].copy()
        wrong[number] = 0
        most = int(wrong.argmax())
        often = f"{names[most]} ({wrong[most]:,})" if wrong[most] else "–"
        figures = (share(row[each]) for each in ("precision", "recall", "f1"))
        rows.append((name, f"{row['images']:,}", *figures, often))
    return table(("class", "images", "precision", "recall", "F1", "most taken for"), rows)


def _mistake(each: Mistake, names: tuple[str, ...]) -> str:
    true, taken = names[each.label], names[each.predicted]
    caption = f"{_bold(true)} taken for {_bold(taken)}<br>{share(each.confidence)}<br>#{each.index}"
    return _tile(each.image, caption, f"{true}, taken for {taken}")


def _bold(name: str) -> str:
    """A class; the whole of a long name is in the picture's words and in the table."""
    return f"<b>{escape(short(name, 32))}</b>"


def _tile(image: Any, caption: str, words: str) -> str:
    picture = (
        ""
        if image is None
        else f'<img alt="{escape(words)}" width="64" height="64" src="{png_uri(thumbnail(image))}">'
    )
    return f'<figure class="tile">{picture}<figcaption>{caption}</figcaption></figure>'


def _inside(facts: Facts, drawn: Mapping[str, Canvas]) -> str:
    if facts.model is None:
        return ""
    layers = inside.layers(facts.model)
    rows = [(each.name, each.kind, each.output_shape, f"{each.parameters:,}") for each in layers]
    rows.append(("all", "", "", f"{facts.model.count_params():,}"))
    kernels = [canvas for name, canvas in drawn.items() if name.startswith("kernels-")]
    answers = [canvas for name, canvas in drawn.items() if name.startswith("activations-")]
    return section(
        "inside",
        "Inside",
        "<h3>Layers</h3>",
        table(("layer", "kind", "output shape", "parameters"), rows),
        "<h3>Kernels</h3>" if kernels else "",
        charts(*kernels),
        "<h3>What each layer answers</h3>",
        charts(*answers),
    )


def _artifacts(facts: Facts) -> str:
    rows = []
    for each in facts.exports:
        time = "–" if each["p50_us"] is None else f"{each['p50_us']:,.0f} µs"
        cells = (f"{each['name']} {each['version']}", each["title"], f"{each['bytes']:,}")
        rows.append(
            (*cells, each["split"], share(each["accuracy"]), share(each["agreement"]), time)
        )
    head = ("version", "artifact", "bytes", "split", "accuracy", "same class as trained", "latency")
    if not rows:
        return ""
    told = "Latency is the median of one image with one thread, where it was measured."
    return section("artifacts", "Artifacts", table(head, rows), paragraph(told, "pale"))


def _provenance(facts: Facts) -> str:
    recorded, dataset = facts.recorded, facts.config.dataset
    rows = [
        ("network", recorded["model"]),
        ("recipe", recorded["recipe_name"]),
        ("seed", recorded["seed"]),
        ("dataset", f"{dataset['name']} {dataset['version']}"),
        ("dataset's fingerprint", dataset["fingerprint"]),
        ("training split", dataset["train_split"]),
        ("validation split", dataset["validation_split"]),
        *(
            ("mixed in", f"{each['name']} {each['split']}, weight {each['weight']:g}")
            for each in dataset.get("mix", [])
        ),
        ("digitline", recorded.get("digitline", "–")),
        *sorted(recorded.get("packages", {}).items()),
        ("commit", recorded.get("git_commit") or "–"),
    ]
    parts = [table(("what", "value"), rows, words=True)]
    for name, title in (
        ("recipe", "Recipe"),
        ("preprocess", "Preprocessing"),
        ("pipeline", "Pipeline"),
    ):
        fields = table(("field", "value"), recorded[name].items(), words=True)
        parts.append(report_html.details(title, fields))
    return section("provenance", "Provenance", *parts)

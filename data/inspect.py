"""`digitline inspect`: what is in a prepared dataset, and what is wrong with it."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from .flags import define_max_corrupt_records

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to inspect")
_WHERE = command.group(FLAGS, "Charts")

flags.DEFINE_string("dataset", "mnist", "Name of the dataset, as it was prepared.", **_WHAT)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_WHAT)
define_max_corrupt_records(**_WHAT)
flags.DEFINE_string(
    "output_dir",
    None,
    "Folder of the PNG files: the label distribution, and a sheet of samples for each split "
    "(default: runs/inspect/<dataset>).",
    **_WHERE,
)
flags.DEFINE_integer(
    "samples",
    40,
    "Images on the sheet of each split, evenly over the classes; 0 for no sheet.",
    lower_bound=0,
    upper_bound=1000,
    **_WHERE,
)
flags.DEFINE_integer("seed", 0, "Of the choice of samples.", lower_bound=0, **_WHERE)

# Places that a message names.
_NAMED = 5


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Inspects every image; draws the charts."""
    del arguments
    start = time.monotonic()
    from ..base import files  # The imports here load TensorFlow.
    from .dataset import open_dataset
    from .inspection import anomalies, charts
    from .pipeline import salvage

    dataset = open_dataset(Path(values.data_dir), values.dataset)
    output_dir = Path(values.output_dir or Path("runs", "inspect", dataset.name))
    drawing = charts.available()
    if drawing:
        files.ensure_folder(output_dir)
    splits = [dataset.split(name) for name in dataset.split_names]
    total = sum(split.examples for split in splits)
    with (
        salvage.sound(splits, values.max_corrupt_records) as (sound, lost),
        progress.Progress(f"inspecting {dataset.name}", total) as bar,
    ):
        splits, equal = anomalies.survey(sound, values.samples, values.seed, bar.advance)

    reference = "train" if "train" in splits else next(iter(splits))
    checks = _checks(dataset, splits, equal, reference, lost)
    notes = _notes(dataset, splits, equal, reference)
    if not drawing:
        notes.append(f"no PNG files, since matplotlib is not installed: {charts.INSTALL}")
    result = {
        "dataset": dataset.name,
        "version": dataset.version,
        "directory": str(dataset.directory),
        "image_shape": list(dataset.image_shape),
        "num_classes": dataset.num_classes,
        "label_names": list(dataset.label_names),
        "splits": {name: _figures(name, split, equal) for name, split in splits.items()},
        "mean_std_split": reference,
        "mean": splits[reference].mean,
        "std": splits[reference].std,
        "counts": equal.counts,  # The lists that follow end at some length.
        **{kind: _listed(groups) for kind, groups in equal.groups.items()},
        "blank": _listed(each for split in splits.values() for each in split.blank_places),
        "labels_out_of_range": _listed(
            each for split in splits.values() for each in split.out_of_range_places
        ),
        "corrupt_records": lost,
        "checks": checks,
        "notes": notes,
        "files": _draw(output_dir, dataset, splits) if drawing else [],
        "errors": [check["details"] for check in checks if not check["passed"]],
    }
    if not values.json:  # Pictures made of characters are for people.
        result["preview"] = charts.text_samples(splits[reference].samples, dataset.label_names)
    return {**result, "seconds": time.monotonic() - start}


def _figures(name: str, split: Any, equal: Any) -> dict[str, Any]:
    return {
        "examples": split.examples,
        "label_counts": split.label_counts.tolist(),
        "missing_labels": _missing(split),
        "labels_out_of_range": split.out_of_range,
        "blank": split.blank,
        "repeated": equal.repeated[name],
        "leaked": equal.leaked[name],
        "mean": split.mean,
        "std": split.std,
    }


def _missing(split: Any) -> list[int]:
    """The classes of which a split holds no image."""
    return (split.label_counts == 0).nonzero()[0].tolist()


def _listed(found: Iterable[Any]) -> list[dict[str, Any]]:
    """Places or groups as JSON can hold them."""
    return [dataclasses.asdict(each) for each in found]


def _checks(
    dataset: Any, splits: Any, equal: Any, reference: str, lost: list[str]
) -> list[dict[str, Any]]:
    """What must hold of a dataset that is to be trained on and measured with."""
    shape = "x".join(map(str, dataset.image_shape))
    total = sum(split.examples for split in splits.values())
    found = dataset.builder.info.features["image"].np_dtype
    blank = [place for split in splits.values() for place in split.blank_places]
    outside = [place for split in splits.values() for place in split.out_of_range_places]
    missing = [dataset.label_names[label] for label in _missing(splits[reference])]
    leaks, conflicts = equal.groups["leaks"], equal.groups["conflicts"]
    checks = [
        (
            "records",
            found == "uint8" and not lost,
            f"all {total:,} records hold an image uint8 {shape} and a label",
            f"{len(lost):,} records are damaged: {_some(lost, str)}"
            if lost
            else f"features.json says that images are {found}; pixels are taken as uint8",
        ),
        (
            "label_range",
            not outside,
            f"every label is one of the {dataset.num_classes:,} classes",
            f"{sum(split.out_of_range for split in splits.values()):,} of {total:,} labels are "
            f"none of the {dataset.num_classes:,} classes: {_some(outside, _where)}",
        ),
        (
            "every_class",
            not missing,
            f"{reference} has images of every class",
            f"{reference} has no image of {len(missing):,} of the {dataset.num_classes:,} classes: "
            f"{_some(missing, str)}",
        ),
        (
            "leakage",
            not leaks,
            "no image is in two splits",
            "images in more than one split, which makes figures on them too good: "
            f"{equal.counts['leaks']:,} ({_some(leaks, _equation)})",
        ),
        (
            "conflicting_labels",
            not conflicts,
            "equal images have equal labels",
            f"equal images with different labels: {equal.counts['conflicts']:,} "
            f"({_some(conflicts, _equation)})",
        ),
        (
            "blank_images",
            not blank,
            "no image is blank",
            f"{sum(split.blank for split in splits.values()):,} of {total:,} images are blank "
            f"(all their pixels are the same): {_some(blank, _where)}",
        ),
    ]
    return [
        {"name": name, "passed": bool(passed), "details": good if passed else bad}
        for name, passed, good, bad in checks
    ]


def _notes(dataset: Any, splits: Any, equal: Any, reference: str) -> list[str]:
    """What is worth knowing and no mistake by itself."""
    notes = []
    for name, split in splits.items():
        missing = [dataset.label_names[label] for label in _missing(split)]
        if not split.examples:
            notes.append(f"{name} holds no images")
        elif missing and name != reference:
            notes.append(
                f"{name} has no image of {len(missing):,} of the {dataset.num_classes:,} classes: "
                f"{_some(missing, str)}"
            )
        if equal.repeated[name]:
            notes.append(
                f"{name}: {equal.repeated[name]:,} of {split.examples:,} images equal an earlier "
                "one of it (and so count twice)"
            )
        if equal.leaked[name]:
            share = equal.leaked[name] / split.examples
            notes.append(
                f"{name}: {equal.leaked[name]:,} of {split.examples:,} images ({share:.2%}) are "
                "in another split too"
            )
    return notes


def _where(place: Any) -> str:
    return f"{place.split} {place.index} (label {place.label})"


def _equation(group: Any) -> str:
    """`train 3 = test 9 (label 7)`: one image of each split, and one of each label."""
    chosen = []
    for place in group.places:
        if all((place.split, place.label) != (each.split, each.label) for each in chosen):
            chosen.append(place)
    if not group.labels_agree:
        return " = ".join(map(_where, chosen))
    return (
        f"{' = '.join(f'{each.split} {each.index}' for each in chosen)} (label {chosen[0].label})"
    )


def _some(found: Sequence[Any], show: Callable[[Any], str]) -> str:
    """The first few, and dots where there are more."""
    return ", ".join(map(show, found[:_NAMED])) + (", …" if len(found) > _NAMED else "")


def _draw(output_dir: Path, dataset: Any, splits: Any) -> list[str]:
    """Writes the PNG files; returns their paths."""
    from .inspection import charts

    counts = {name: split.label_counts.tolist() for name, split in splits.items()}
    paths = [output_dir / "labels.png"]
    title = f"{dataset.name} {dataset.version}"
    charts.save_bars(paths[0], title, dataset.label_names, counts)
    for name, split in splits.items():
        if split.samples:
            paths.append(output_dir / f"samples-{name}.png")
            charts.save_sheet(
                paths[-1], f"{title}: samples of {name}", split.samples, dataset.label_names
            )
    return [str(path) for path in paths]


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    from .inspection import charts

    shape = "x".join(map(str, result["image_shape"]))
    splits = result["splits"]
    sizes = ", ".join(f"{name} {split['examples']:,}" for name, split in splits.items())
    lines = [
        f"{result['dataset']} {result['version']}: {sizes}; images {shape}, "
        f"{result['num_classes']:,} classes",
        f"in {result['directory']}",
    ]
    if result["mean"] is not None:
        mean, std = (" ".join(f"{each:.4f}" for each in result[key]) for key in ("mean", "std"))
        lines.append(
            f"pixels of {result['mean_std_split']}, 0 to 1: mean {mean}, standard deviation {std}"
        )
    counts = {name: split["label_counts"] for name, split in splits.items()}
    lines += ["", *charts.text_bars(result["label_names"], counts)]
    if result.get("preview"):
        lines += ["", f"of {result['mean_std_split']}:", *result["preview"]]
    lines.append("")
    for check in result["checks"]:
        lines.append(f"{'ok    ' if check['passed'] else 'FAILED'}  {check['details']}")
    lines += [f"note    {note}" for note in result["notes"]]
    lines += ["", *(f"drawn   {path}" for path in result["files"])]
    if not result["errors"]:
        root = str(Path(result["directory"]).parents[1 + result["dataset"].count("/")])
        lines.append(
            f"next: {command.program()} train --dataset={result['dataset']} --data_dir={root}"
        )
    return "\n".join(lines)


COMMAND = command.from_values(
    name="inspect",
    summary="Looks at every image of a prepared dataset: counts, duplicates within and across "
    "splits, blank images, labels, pixel statistics; draws the label distribution and samples. "
    "Exit status 1 where a check fails.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

"""`digitline inspect`: what is in a prepared dataset, and what is wrong with it."""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base import command, files, progress
from ..base.command_flags import flag, flag_values, read
from . import flags, next_steps

if TYPE_CHECKING:  # At run time these load TensorFlow.
    from .dataset import Dataset
    from .inspection.anomalies import SplitSurvey
    from .inspection.checks import Check
    from .inspection.default_splits import DefaultSplits
    from .inspection.duplicates import Duplicates, Group, Place

_WHAT, _CHARTS = "What to inspect", "Charts"
# Classes in the chart of the labels.
_CLASSES = 150


@dataclasses.dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """What to inspect. The help texts of the flags say what each field means."""

    dataset: str = flag("mnist", "Name of the dataset, as it was prepared.", group=_WHAT)
    data_dir: Path = flags.data_dir(_WHAT)
    max_corrupt_records: int = flags.max_corrupt_records(_WHAT)
    verify: bool = flag(
        False,
        "Hold all bytes of all files against the digests that were recorded when the dataset was "
        "prepared. Their sizes and ends are, in any case.",
        group=_WHAT,
    )
    output_dir: Path | None = flag(
        None,
        "Folder of the PNG files: the label distribution, and a sheet of samples for each split "
        "(default: runs/inspect/<dataset>).",
        group=_CHARTS,
    )
    samples: int = flag(
        40,
        "Images on the sheet of each split, evenly over the classes; 0 for no sheet.",
        group=_CHARTS,
        at_least=0,
        at_most=1000,
    )
    seed: int = flag(0, "Seed of the choice of samples.", group=_CHARTS, at_least=0)


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What was seen.

    Attributes:
      reference: the split whose mean and standard deviation count: `train`, or the first.
      defaults: what is trained and validated on by default.
      lost: a line for each damaged record.
      checks: what must hold.
      notes: what is worth knowing and no mistake by itself.
      files: the charts.
    """

    dataset: "Dataset"
    splits: "dict[str, SplitSurvey]"
    duplicates: "Duplicates"
    reference: str
    defaults: "DefaultSplits"
    lost: tuple[str, ...]
    checks: "tuple[Check, ...]"
    notes: tuple[str, ...]
    files: tuple[Path, ...]
    seconds: float

    @property
    def errors(self) -> list[str]:
        return [check.details for check in self.checks if not check.passed]


def run(options: InspectOptions) -> Inspection:
    """Inspects every image; draws the charts."""
    import numpy as np

    from .dataset import open_dataset  # The imports here load TensorFlow.
    from .inspection.anomalies import survey
    from .inspection.checks import About, checks, notes
    from .inspection.default_splits import DefaultSplits
    from .pipeline import salvage

    start = time.monotonic()
    dataset = open_dataset(options.data_dir, options.dataset)
    output_dir = options.output_dir or Path("runs", "inspect", dataset.name)
    files.ensure_folder(output_dir)
    splits = [dataset.split(name) for name in dataset.split_names]
    total = sum(split.examples for split in splits)
    with (
        salvage.sound(splits, options.max_corrupt_records) as (sound, lost),
        progress.Progress(f"inspecting {dataset.name}", total) as bar,
    ):
        surveys, duplicates = survey(sound, options.samples, options.seed, bar.advance)
    features: Any = dataset.builder.info.features
    about = About(
        dataset.image_shape, dataset.label_names, np.dtype(features["image"].np_dtype).name
    )
    reference = "train" if "train" in surveys else next(iter(surveys))
    defaults = DefaultSplits.of(dataset, surveys)
    verified, notes_of_files = _verified(dataset) if options.verify else ((), ())
    return Inspection(
        dataset,
        surveys,
        duplicates,
        reference,
        defaults,
        tuple(lost),
        (*checks(about, surveys, duplicates, reference, lost), *verified),
        (*notes(about, surveys, duplicates, reference), *defaults.notes, *notes_of_files),
        _draw(output_dir, dataset, surveys),
        time.monotonic() - start,
    )


def _verified(dataset: "Dataset") -> "tuple[tuple[Check, ...], tuple[str, ...]]":
    """The check of the dataset's files; or a note where that is not possible."""
    from .inspection import whole

    with progress.Progress("verifying", len(dataset.metadata.files), unit="files") as bar:
        check = whole.check(dataset, bar.advance)
    return ((check,), ()) if check else ((), (whole.NOT_RECORDED,))


def _draw(
    output_dir: Path, dataset: "Dataset", splits: "dict[str, SplitSurvey]"
) -> tuple[Path, ...]:
    """Writes the PNG files; returns their paths."""
    from .inspection import charts

    title, names = f"{dataset.name} {dataset.version}", dataset.label_names
    counts = {name: split.label_counts.tolist() for name, split in splits.items()}
    drawn = {"labels": charts.bars(f"{title}: images of each class", names, counts, _CLASSES)}
    for name, split in splits.items():
        if split.samples:
            images = charts.captioned(split.samples, names)
            drawn[f"samples-{name}"] = charts.sheet(f"{title}: samples of {name}", images)
    output_dir.mkdir(parents=True, exist_ok=True)
    paths = {output_dir / f"{name}.png": chart for name, chart in drawn.items()}
    for path, chart in paths.items():
        with files.replacing(path) as temporary:
            temporary.write_bytes(chart.png())
    return tuple(paths)


def to_json(inspection: Inspection) -> files.JsonObject:
    """The result for `--json`; lists of places and groups end at some length, `counts` do not."""
    dataset, splits, duplicates = inspection.dataset, inspection.splits, inspection.duplicates

    def listed(items: "Iterable[Place | Group | Check]") -> list[files.JsonObject]:
        return [dataclasses.asdict(item) for item in items]

    return {
        "dataset": dataset.name,
        "version": dataset.version,
        "directory": str(dataset.directory),
        "image_shape": list(dataset.image_shape),
        "num_classes": dataset.num_classes,
        "label_names": list(dataset.label_names),
        "splits": {
            name: {
                "examples": split.examples,
                "label_counts": split.label_counts.tolist(),
                "missing_labels": split.missing_labels,
                "labels_out_of_range": split.out_of_range.count,
                "blank": split.blank.count,
                "repeated": duplicates.repeated[name],
                "leaked": duplicates.leaked[name],
                "mean": split.mean,
                "std": split.std,
            }
            for name, split in splits.items()
        },
        "default_splits": inspection.defaults.sizes,
        "mean_std_split": inspection.reference,
        "mean": splits[inspection.reference].mean,
        "std": splits[inspection.reference].std,
        "counts": duplicates.counts,
        **{kind: listed(groups) for kind, groups in duplicates.groups.items()},
        "blank": listed(place for split in splits.values() for place in split.blank.first),
        "labels_out_of_range": listed(
            place for split in splits.values() for place in split.out_of_range.first
        ),
        "corrupt_records": list(inspection.lost),
        "checks": listed(inspection.checks),
        "notes": list(inspection.notes),
        "files": [str(path) for path in inspection.files],
        "errors": inspection.errors,
        "seconds": inspection.seconds,
    }


def text(inspection: Inspection) -> str:
    """The result for a person."""
    from .inspection.text import text_bars, text_samples

    dataset, splits = inspection.dataset, inspection.splits
    reference = splits[inspection.reference]
    shape = "x".join(map(str, dataset.image_shape))
    sizes = ", ".join(f"{name} {split.examples:,}" for name, split in splits.items())
    lines = [
        f"{dataset.name} {dataset.version}: {sizes}; images {shape}, "
        f"{dataset.num_classes:,} classes",
        f"in {dataset.directory}",
    ]
    if inspection.defaults.sizes:
        parts = [f"{name} ({size:,})" for name, size in inspection.defaults.sizes.items()]
        lines.append(f"by default {parts[0]} is trained on, {parts[1]} validates")
    if reference.mean and reference.std:
        mean = " ".join(f"{value:.4f}" for value in reference.mean)
        std = " ".join(f"{value:.4f}" for value in reference.std)
        lines.append(
            f"pixels of {inspection.reference}, 0 to 1: mean {mean}, standard deviation {std}"
        )
    counts = {name: split.label_counts.tolist() for name, split in splits.items()}
    lines += ["", *text_bars(dataset.label_names, counts)]
    preview = text_samples(reference.samples, dataset.label_names)
    if preview:
        lines += ["", f"of {inspection.reference}:", *preview]
    lines.append("")
    lines += [f"{'ok' if item.passed else 'FAILED':<8}{item.details}" for item in inspection.checks]
    lines += [f"note    {note}" for note in inspection.notes]
    lines += ["", *(f"drawn   {path}" for path in inspection.files)]
    if not inspection.errors:
        root = dataset.directory.parents[1 + dataset.name.count("/")]
        lines.append(f"next: {next_steps.train(dataset.name, root)}")
    return "\n".join(lines)


FLAGS = flag_values(InspectOptions)
COMMAND = command.Command(
    name="inspect",
    summary="Looks at every image of a prepared dataset: counts, duplicates within and across "
    "splits, blank images, labels, pixel statistics; draws the label distribution and samples. "
    "Exit status 1 where a check fails.",
    flags=FLAGS,
    options=lambda values, arguments: read(InspectOptions, values),
    run=run,
    text=text,
    to_json=to_json,
    errors=lambda inspection: inspection.errors,
)

if __name__ == "__main__":
    command.main(COMMAND)

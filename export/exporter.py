"""`digitline export`: a trained model to verified, versioned artifacts."""

import re
import time
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UsageError
from ..data.common_flags import define_max_corrupt_records
from . import signatures

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to export")
_GATE = command.group(FLAGS, "Verification")
_FORMATS = ("saved_model", "tflite")  # The names in formats.py, which loads TensorFlow.

flags.DEFINE_string("workdir", "runs/lenet5", "Run folder of a finished training.", **_WHAT)
flags.DEFINE_string("export_dir", "exports", "Root folder of exports.", **_WHAT)
flags.DEFINE_string(
    "model_name", None, "Name to publish under (default: the network's name).", **_WHAT
)
flags.DEFINE_integer("version", None, "Version number (default: the next).", lower_bound=1, **_WHAT)
flags.DEFINE_list("formats", "saved_model,tflite", "Formats to write.", **_WHAT)
flags.DEFINE_string(
    "split", "test", "Split to compare every artifact and the trained model on.", **_GATE
)
flags.DEFINE_string(
    "data_dir", None, "Root folder of prepared datasets (default: where the run found it).", **_GATE
)
define_max_corrupt_records(**_GATE)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Writes, verifies and publishes; a disagreement publishes nothing."""
    del arguments
    if values.model_name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", values.model_name):
        raise UsageError(
            f"--model_name={values.model_name}: it is a folder's name and part of URLs; use "
            "letters, digits and _ . - alone"
        )
    _check_formats(values.formats)
    # The imports below load TensorFlow.
    from ..base import files
    from ..data import pipeline, salvage
    from ..models.run import Run, open_run_dataset
    from . import card, publish, verify
    from .formats import FORMATS

    formats = [FORMATS[name] for name in dict.fromkeys(values.formats)]
    folder = Run(Path(values.workdir))
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    with salvage.sound(dataset, [values.split], values.max_corrupt_records) as (shards, _):
        loaded = pipeline.load(dataset, values.split, shards[values.split])
    images, labels = (tensor.numpy() for tensor in loaded)
    reference = verify.reference_probabilities(model, config.preprocess, images)
    name = values.model_name or config.model
    export_dir = Path(values.export_dir)

    with publish.staging(export_dir) as staged:
        version = values.version or publish.next_version(export_dir, name)
        targets = publish.targets(export_dir, name, version, [each.name for each in formats])
        start = time.monotonic()
        for each in formats:
            progress.say(f"writing {each.title}")
            each.write(model, config.preprocess, config.label_names, staged / each.name)
        written = time.monotonic()
        comparisons = []
        for each in formats:
            progress.say(f"comparing {each.title} with the trained model on {len(images):,} images")
            # Loaded afresh, from its files alone.
            outputs = each.open(staged / each.name / each.artifact).run(images)
            comparison = verify.compare(
                each.title, signatures.SERVING_DEFAULT.name, outputs, reference, labels
            )
            verify.require_agreement(comparison)
            comparisons.append(comparison.to_json())
        verified = time.monotonic()
        facts = card.facts(name, version, files.read_json(folder.config), comparisons, values.split)
        for each in formats:
            each.describe(
                staged / each.name,
                card.manifest(facts, each.signatures, each.batch_size, staged / each.name),
            )
        publish.publish(staged, targets)
    return {
        "model_name": name,
        "version": version,
        "artifacts": {each.name: str(targets[each.name] / each.artifact) for each in formats},
        "verification": comparisons,
        "seconds": {"write": written - start, "verify": verified - written},
    }


def _check_formats(given: list[str]) -> None:
    for each in given:
        if each not in _FORMATS:
            raise UsageError(
                f"--formats: unknown format '{each}'{command.nearest(each, _FORMATS)} "
                f"(there are: {', '.join(_FORMATS)})"
            )
    if not given:
        raise UsageError(f"--formats is empty (there are: {', '.join(_FORMATS)})")


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    lines = [f"{result['model_name']}, version {result['version']}"]
    for path, row in zip(result["artifacts"].values(), result["verification"], strict=True):
        lines.append(
            f"{row['artifact']}: {path}\n"
            f"  equal to the trained model on {row['examples']:,} images "
            f"(largest difference {row['max_difference']:.1e}), accuracy {row['accuracy']:.2%}"
        )
    kind, path = next(iter(result["artifacts"].items()))
    lines.append(f"next: {command.program()} predict --{kind}={path} picture.png")
    return "\n".join(lines)


COMMAND = command.Command(
    name="export",
    summary="Writes a SavedModel and a TFLite file of a trained model, compares each with the "
    "model on every image of a split, and publishes each by one rename, under one version "
    "number. If one disagrees, nothing is published and the exit status is 1.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

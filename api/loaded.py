"""A model that classifies: of a run, a SavedModel or a TFLite file."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import addresses, catalog, export_layout, manifests, progress
from ..base.errors import DataError, UsageError, UserError

if TYPE_CHECKING:  # Pillow, and the runtimes of artifacts, take their time to load.
    from ..serving.artifacts import Classifier
    from ..serving.prediction.memory import Pictures
    from ..serving.prediction.model import Model
    from ..serving.prediction.predictions import Prediction


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
            files; pictures of Pillow, of any size and mode; arrays of raw pixels, uint8
            [N, H, W, C] or [N, H, W] of grey images, or one image without N.
          top_k: how many classes to name of each picture.
          skip_damaged: leaves out, and says, what cannot be read, instead of refusing all.

        Returns:
          An answer for each picture, in their order: `label`, `number`, `probability`,
          `probabilities` float [K]; `answer` says whether it is blank or not sure.

        Raises:
          DataError: a picture cannot be read; the message names the first.
          UserError: it is no picture, or the model cannot be asked.
        """
        from ..serving.prediction import classify, memory

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
        TFLite file, or of their versions: the newest counts. Or the address of one of these.
      digits: whether each picture holds one digit that is to be found, as MNIST's are; by default
        pictures are taken as the training images were made.

    Raises:
      UserError: there is none of these, or it does not open.
    """
    from ..serving.prediction.model import of_classifier

    classifier = _opened(_fetched(addresses.local(path).expanduser()))
    model = of_classifier(classifier, digits)
    return Loaded(model.name, model.labels, classifier.image_shape, model.threshold, model)


def _fetched(path: Path) -> Path:
    """The mirror of an address, with all that belongs to it; any other path as it is."""
    catalog.fetched(path.parent if path.suffix in (".keras", ".tflite") else path)
    return path


def _opened(path: Path) -> Classifier:
    from ..serving import artifacts

    if path.suffix == ".keras" and (path.parent / catalog.RUN_CONFIG).is_file():
        path = path.parent  # Beside it is what its input is.
    is_run = (path / catalog.RUN_CONFIG).is_file()
    if is_run and not (path / export_layout.SAVED_MODEL_FILE).is_file():
        from ..models.run.classifier import open_run

        return open_run(path)
    tflite = _newest(path, export_layout.TFLITE_FILE)
    if path.is_file() or tflite:
        return artifacts.open_tflite(tflite or path, trial=manifests.AUTO)
    if _newest(path, export_layout.SAVED_MODEL_FILE):
        return artifacts.open_saved_model(path, trial=manifests.AUTO)
    missing = "is neither a run, nor of" if path.exists() else "is not there: expected a run, or"
    raise UserError(f"{path} {missing} a SavedModel, a TFLite file, or a folder of their versions")


def _newest(folder: Path, name: str) -> Path | None:
    """The file of a name in a folder, or else in that of its newest version."""
    if (folder / name).is_file():
        return folder / name
    files = [file for file in folder.glob(f"*/{name}") if file.parent.name.isdecimal()]
    return max(files, key=lambda file: int(file.parent.name), default=None)

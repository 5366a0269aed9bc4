"""What an artifact says of itself: its class names, how it takes pictures, how sure it must be.

Read from what `digitline export` writes beside the model, or inside it: behind a TFLite file's
own content lie some files as a zip archive. Of somebody else's artifact there may be none.
"""

import dataclasses
import json
import zipfile
from pathlib import Path

from ..base import configs, export_layout, manifests
from ..base.errors import DataError, first_line
from ..base.pictures.config import PictureConfig, unrecorded


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of an artifact.

    Attributes:
      labels: names by class number; empty if it has none.
      recorded_pictures: how a picture file becomes a raw image; None where nothing says it.
      image_shape: (height, width, channels) of the raw images that it takes.
      threshold: of the probability below which it is not sure; None where nothing says it.
    """

    labels: tuple[str, ...]
    recorded_pictures: PictureConfig | None
    image_shape: tuple[int, int, int]
    threshold: float | None

    @property
    def pictures(self) -> PictureConfig:
        """How a picture file becomes a raw image: by the record, or else whole and unchanged."""
        return self.recorded_pictures or PictureConfig(self.image_shape, fit="pad")


def describe(path: Path, image_shape: tuple[int, int, int]) -> Description:
    """Reads what is beside an artifact, or inside it.

    Args:
      path: of a TFLite file, or of a version's folder.
      image_shape: (height, width, channels) that the model takes.

    Raises:
      UserError: a file is damaged, or of a model of another size.
    """
    folder = path if path.is_dir() else path.parent
    labels = read_labels(export_layout.labels_of(folder))
    words = None if labels or path.is_dir() else inside(path, export_layout.LABELS)
    pictures = _pictures(path, folder, image_shape)
    return Description(
        labels or tuple((words or "").splitlines()), pictures, image_shape, _threshold(folder)
    )


def describe_version(folder: Path, image_shape: tuple[int, int, int]) -> Description:
    """The same for a version's folder as it is served: with one SavedModel or TFLite file."""
    tflite = folder / export_layout.TFLITE_FILE
    return describe(tflite if tflite.is_file() else folder, image_shape)


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in a file of labels, by class number; none where there is no file.

    What is not UTF-8 in them is marked as such.
    """
    if not path.is_file():
        return ()
    return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines())


def inside(tflite: Path, name: str) -> str | None:
    """The text of a file inside a TFLite file; None where there is none.

    Raises:
      DataError: it is damaged.
    """
    try:
        if not zipfile.is_zipfile(tflite):
            return None
        with zipfile.ZipFile(tflite) as archive:
            return archive.read(name).decode(errors="replace")
    except KeyError:
        return None
    except Exception as error:  # Each of zip's compressions raises its own.
        raise DataError(f"{tflite}: {name} inside it is damaged: {first_line(error)}") from None


def _pictures(path: Path, folder: Path, image_shape: tuple[int, int, int]) -> PictureConfig | None:
    file = export_layout.pictures_of(folder)
    where, words = str(file), None
    if file.is_file():
        words = file.read_text(encoding="utf-8", errors="replace")
    elif not path.is_dir():
        where, words = f"{path}: {export_layout.PICTURES} inside it", inside(path, file.name)
    if words is None:
        return _before_records(folder, image_shape)
    try:
        pictures = configs.from_config(PictureConfig, json.loads(words))
    except (DataError, ValueError) as error:
        raise DataError(f"{where}: not a record of how pictures are taken: {error}") from None
    if pictures.image_shape != image_shape:
        raise DataError(
            f"{where}: is of {'x'.join(map(str, pictures.image_shape))}, but the model takes "
            f"{'x'.join(map(str, image_shape))}"
        )
    return pictures


def _before_records(folder: Path, image_shape: tuple[int, int, int]) -> PictureConfig | None:
    """For an export from before pictures were recorded: by the dataset in its manifest."""
    run = manifests.read(folder).get("run")
    dataset = run.get("dataset") if isinstance(run, dict) else None
    name = dataset.get("name") if isinstance(dataset, dict) else None
    return unrecorded(name, image_shape) if isinstance(name, str) else None


def _threshold(folder: Path) -> float | None:
    certainty = manifests.read(folder).get("certainty")
    if certainty is None:
        return None
    threshold = certainty.get("threshold") if isinstance(certainty, dict) else certainty
    if not isinstance(threshold, float) or not 0 <= threshold <= 1:
        raise DataError(
            f"{export_layout.manifest_of(folder)}: its certainty has the threshold {threshold!r}, "
            "expected a probability"
        )
    return threshold

"""What an artifact says of itself: its class names, how it takes pictures, how sure it must be.

Read from what `digitline export` writes beside the model, or inside it: behind a TFLite file's
own content lie some files as a zip archive. Of somebody else's artifact there may be none.
"""

import dataclasses
import re
import zipfile
from pathlib import Path
from typing import IO

from ..base import export_layout, files, manifests
from ..base.errors import DataError, first_line
from ..base.pictures.config import PictureConfig, unrecorded
from ..base.storage import records

# Names of 100,000 classes fit.
_LARGEST = 8 << 20
# Control characters other than those of lines and pages.
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclasses.dataclass(frozen=True)
class _Certainty:
    """What is used of a record of when a model is not sure."""

    threshold: float

    def __post_init__(self):
        if not 0 <= self.threshold <= 1:
            raise ValueError(
                f"its certainty has the threshold {self.threshold}, expected a probability"
            )


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
        labels or tuple((words or "").splitlines()), pictures, image_shape, _threshold(path, folder)
    )


def describe_version(folder: Path, image_shape: tuple[int, int, int]) -> Description:
    """The same for a version's folder as it is served: with one SavedModel or TFLite file.

    Who asks the server is shown what is in its files: those that links lead to elsewhere, to any
    file of the machine, are not of the version.
    """
    for name in (export_layout.labels_of, export_layout.pictures_of, export_layout.manifest_of):
        if not files.is_within(name(folder), folder):
            raise DataError(f"{name(folder)}: a link that leads out of the version's folder")
    tflite = folder / export_layout.TFLITE_FILE
    return describe(tflite if tflite.is_file() else folder, image_shape)


def read_labels(path: Path) -> tuple[str, ...]:
    """The names in a file of labels, by class number; none where there is no file.

    What is not UTF-8 in them is marked as such.

    Raises:
      DataError: it is too large, or is not text at all.
    """
    if not files.is_there(path):
        return ()
    return tuple(_text(path).splitlines())


def _text(path: Path) -> str:
    with files.opened(path) as file:
        return _decoded(file, str(path))


def _decoded(file: IO[bytes], where: str) -> str:
    """The text of a small file."""
    content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise DataError(f"{where}: has over {_LARGEST >> 20} MB")
    if found := _NO_TEXT.search(content):
        raise DataError(f"{where}: is not text: it has the byte {found[0]!r}")
    return content.decode("utf-8", "replace")


def inside(tflite: Path, name: str) -> str | None:
    """The text of a file inside a TFLite file; None where there is none.

    Raises:
      DataError: it is damaged.
    """
    try:
        if not zipfile.is_zipfile(tflite):
            return None
        with zipfile.ZipFile(tflite) as archive, archive.open(name) as file:
            return _decoded(file, f"{tflite}: {name} inside it")
    except KeyError:
        return None
    except DataError:
        raise
    except Exception as error:  # Each of zip's compressions raises its own.
        raise DataError(f"{tflite}: {name} inside it is damaged: {first_line(error)}") from None


def _pictures(path: Path, folder: Path, image_shape: tuple[int, int, int]) -> PictureConfig | None:
    file = export_layout.pictures_of(folder)
    where, words = str(file), None
    if files.is_there(file):
        words = _text(file)
    elif not path.is_dir():
        where, words = f"{path}: {export_layout.PICTURES} inside it", inside(path, file.name)
    if words is None:
        return _before_records(folder, image_shape)
    mend = "it is not a record of how pictures are taken"
    content = records.parse(where, words, mend)
    pictures = records.checked(where, PictureConfig, content, mend)
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


def _threshold(path: Path, folder: Path) -> float | None:
    where, certainty = export_layout.manifest_of(folder), manifests.read(folder).get("certainty")
    if certainty is None and not path.is_dir():
        where, words = (
            f"{path}: {export_layout.CERTAINTY} inside it",
            inside(path, export_layout.CERTAINTY),
        )
        certainty = None if words is None else records.parse(where, words, manifests.MEND)
    if certainty is None:
        return None
    return records.checked(where, _Certainty, certainty, manifests.MEND, in_part=True).threshold

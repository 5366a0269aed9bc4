"""What the page shows of the models: their versions, and which files each has."""

import contextlib
import dataclasses
import math
from pathlib import Path

from ...base import export_layout, files, manifests
from ...base.errors import DataError, UserError
from ...base.files import JsonObject
from ...base.storage import records
from ..core.inference import Target
from ..core.served import Served
from ..description import describe_version
from ..protocol.models import State
from ..protocol.status import StatusError

_ACTIVATIONS = "activations"  # The signature that gives the output of each layer.
_SAMPLES = tuple(
    f"{export_layout.EXTRA}/{name}"
    for name in (export_layout.SAMPLES_FACTS, export_layout.SAMPLES_SHEET)
)
# Bytes of the file that says what is on the sheet of test images, and values of the sheet.
_LARGEST, _MOST_VALUES = 1 << 20, 1 << 27
_LONGEST = 500  # Characters of what is wrong with a version's files.
# In manifests: of one export, the SavedModel's and the TFLite file's are the same.
_SAME = ("model_name", "version", "created", "run")


@dataclasses.dataclass(frozen=True)
class Samples:
    """Which test image is where on the sheet: a row for each class, from the left.

    Attributes:
      split: of which they are.
      image_shape: (height, width, channels) of each.
      columns: of the sheet.
      counts: how many there are of each class.
    """

    split: str
    image_shape: tuple[int, int, int]
    columns: int
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuses what is no sheet; a browser would try to show it."""
        if not all(0 <= count <= self.columns for count in self.counts):
            raise ValueError(f"counts of {self.columns} columns: {list(self.counts)[:20]}")
        pixels = self.columns * len(self.counts) * math.prod(self.image_shape)
        if not 0 < pixels <= _MOST_VALUES or min(self.image_shape) < 1:
            raise ValueError(f"{self.columns} columns and {len(self.counts)} rows of images")


@dataclasses.dataclass(frozen=True)
class Version:
    """A version that answers.

    Attributes:
      version: its number as text, since JavaScript's numbers are too short for some.
      kind: SavedModel or TFLite.
      labels: of its classes; empty where it states none.
      image_shape: (height, width, channels) of the raw images that it takes; None if it does not.
      is_of_digits: whether they are digits as MNIST's are.
      threshold: of the probability below which the model is not sure; None where it is not known.
      trouble: what is wrong with the files that say so; empty if nothing is.
      activations: whether it gives the output of each layer.
      tflite: whether there is a TFLite file of the same network.
      samples: which test image is where on its sheet of them; None where there is no sheet.
    """

    version: str
    kind: str
    labels: tuple[str, ...]
    image_shape: tuple[int, int, int] | None
    is_of_digits: bool
    threshold: float | None
    trouble: str
    activations: bool
    tflite: bool
    samples: Samples | None


@dataclasses.dataclass(frozen=True)
class Model:
    """A model by its name on the server, and its versions that answer, the newest first."""

    name: str
    versions: tuple[Version, ...]


def models(manager: Served) -> list[Model]:
    """What there is on a server."""
    return [Model(name, tuple(_versions(manager, name))) for name in manager.names()]


def tflite_of(folder: Path) -> Path | None:
    """The TFLite file of the same network as a version, if there is one.

    It is in the folder itself, or where `digitline export` puts it beside the SavedModel; then
    both manifests must be of one export.

    Args:
      folder: of the version.
    """
    own = folder / export_layout.TFLITE_FILE
    if own.is_file():
        return own if files.is_within(own, folder) else None
    folder = folder.absolute()
    if len(folder.parents) < 3 or folder.parents[1].name != export_layout.SAVED_MODEL:
        return None
    beside = folder.parents[2] / export_layout.TFLITE / folder.parent.name / folder.name
    path = beside / export_layout.TFLITE_FILE
    if not path.is_file() or not files.is_within(path, beside):
        return None
    here, there = _manifest(folder), _manifest(beside)
    return path if here and all(here.get(key) == there.get(key) for key in _SAME) else None


def sheet_of(folder: Path) -> Path | None:
    """The sheet of test images of a version's folder, if there is one in it."""
    path = folder / export_layout.EXTRA / export_layout.SAMPLES_SHEET
    return path if path.is_file() and files.is_within(path, folder) else None


def _versions(manager: Served, name: str) -> list[Version]:
    versions = []
    with contextlib.suppress(StatusError):  # Nothing of it is there yet.
        for status in manager.status(Target(name)):
            if status.state is State.AVAILABLE:
                with contextlib.suppress(StatusError):  # It has just been unloaded.
                    versions.append(_version(manager, Target(name, status.version)))
    return versions


def _version(manager: Served, target: Target) -> Version:
    with manager.lease(target) as lease:
        shape, folder = lease.servable.image_shape, lease.folder
        signatures = set(lease.servable.signatures)
    description, trouble = None, ""
    if shape is not None:
        try:
            description = describe_version(folder, shape)
        except UserError as error:
            trouble = str(error)
    samples = None
    try:
        samples = _samples(folder)
    except UserError as error:
        trouble = trouble or str(error)
    return Version(
        version=str(target.version),
        kind="TFLite" if (folder / export_layout.TFLITE_FILE).is_file() else "SavedModel",
        labels=description.labels if description else (),
        image_shape=shape,
        is_of_digits=description is not None and description.pictures.digits,
        threshold=description.threshold if description else None,
        trouble=trouble[:_LONGEST],
        activations=_ACTIVATIONS in signatures,
        tflite=tflite_of(folder) is not None,
        samples=samples,
    )


def _samples(folder: Path) -> Samples | None:
    """What is on the sheet of test images; None where there is none.

    Raises:
      UserError: the file that says so, or the sheet, is damaged, or not what was published, or
        leads out of the folder.
    """
    manifests.require_beside(folder, _SAMPLES)
    path = folder / _SAMPLES[0]
    if not files.is_there(path):
        return None
    if not files.is_within(path, folder):
        raise DataError(f"{path}: a link that leads out of the version's folder")
    mend = "it does not say which test image is where"
    return records.checked(path, Samples, records.read_json(path, _LARGEST, mend), mend)


def _manifest(folder: Path) -> JsonObject:
    try:
        return manifests.read(folder)
    except UserError:
        return {}

"""What the page shows of the models: their versions, and which files each has."""

import contextlib
import dataclasses
from pathlib import Path

from ...base import export_layout, files
from ...base.errors import UserError
from ...base.files import JsonObject
from ..core.inference import Target
from ..core.manager import Manager
from ..description import describe_version
from ..protocol.models import State
from ..protocol.status import StatusError

_ACTIVATIONS = "activations"  # The signature that gives the output of each layer.
# In manifests: of one export, the SavedModel's and the TFLite file's are the same.
_SAME = ("model_name", "version", "created", "run")


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
    samples: JsonObject | None


@dataclasses.dataclass(frozen=True)
class Model:
    """A model by its name on the server, and its versions that answer, the newest first."""

    name: str
    versions: tuple[Version, ...]


def models(manager: Manager) -> list[Model]:
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
        return own
    folder = folder.absolute()
    if len(folder.parents) < 3 or folder.parents[1].name != export_layout.SAVED_MODEL:
        return None
    beside = folder.parents[2] / export_layout.TFLITE / folder.parent.name / folder.name
    path = beside / export_layout.TFLITE_FILE
    if not path.is_file():
        return None
    here, there = (_json(export_layout.manifest_of(version)) or {} for version in (folder, beside))
    return path if here and all(here.get(key) == there.get(key) for key in _SAME) else None


def _versions(manager: Manager, name: str) -> list[Version]:
    versions = []
    with contextlib.suppress(StatusError):  # Nothing of it is there yet.
        for status in manager.status(Target(name)):
            if status.state is State.AVAILABLE:
                with contextlib.suppress(StatusError):  # It has just been unloaded.
                    versions.append(_version(manager, Target(name, status.version)))
    return versions


def _version(manager: Manager, target: Target) -> Version:
    with manager.lease(target) as lease:
        shape, folder = lease.servable.image_shape, lease.folder
        signatures = set(lease.servable.signatures)
    description, trouble = None, ""
    if shape is not None:
        try:
            description = describe_version(folder, shape)
        except UserError as error:
            trouble = str(error)
    return Version(
        version=str(target.version),
        kind="TFLite" if (folder / export_layout.TFLITE_FILE).is_file() else "SavedModel",
        labels=description.labels if description else (),
        image_shape=shape,
        is_of_digits=description is not None and description.pictures.digits,
        threshold=description.threshold if description else None,
        trouble=trouble,
        activations=_ACTIVATIONS in signatures,
        tflite=tflite_of(folder) is not None,
        samples=_json(folder / export_layout.EXTRA / export_layout.SAMPLES_FACTS),
    )


def _json(path: Path) -> JsonObject | None:
    try:
        content = files.read_json(path)
    except (OSError, UserError):
        return None
    return content if isinstance(content, dict) else None

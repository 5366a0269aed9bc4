"""What an artifact says of itself: labels and record of pictures, inside it and beside it."""

from pathlib import Path

from ....base import export_layout
from ....base.errors import VerificationError
from ....base.pictures.config import PictureConfig
from ....base.storage import records
from ....serving.description import inside as read_inside
from ....serving.description import read_labels
from ..reference import Reference
from ..staged import Staged


def require(staged: Staged, reference: Reference) -> None:
    """Refuses labels, or a record of pictures, that are not the dataset's.

    Raises:
      VerificationError: names the artifact and both sides.
    """
    artifact, trained = staged.artifact, reference.trained
    inside, beside = staged.opened.labels, read_labels(export_layout.labels_of(staged.folder))
    if inside != beside:
        raise VerificationError(
            f"{artifact.path}: its labels are {_named(inside)} inside, {_named(beside)} in "
            f"{export_layout.LABELS}; nothing was published"
        )
    if inside != trained.label_names:
        raise VerificationError(
            f"{artifact.title}: its labels are {_named(inside)}, the dataset's are "
            f"{_named(trained.label_names)}; nothing was published"
        )
    lines = "".join(f"{name}\n" for name in trained.label_names)
    is_lite = artifact.format == export_layout.TFLITE
    for where, text in (
        (f"{export_layout.LABELS} beside it", _text(export_layout.labels_of(staged.folder))),
        ("labels inside it", is_lite and read_inside(staged.path, export_layout.LABELS)),
    ):
        if text and text != lines:
            raise VerificationError(
                f"{artifact.title}: the {where} are {text!r}, expected {lines!r}; nothing was "
                "published"
            )
    path = export_layout.pictures_of(staged.folder)
    for where, pictures in (
        ("inside it", staged.opened.pictures),
        (path.name, records.read(path, PictureConfig)),
    ):
        is_missing = pictures is None and is_lite
        if is_missing or (pictures is not None and pictures != trained.pictures):
            raise VerificationError(
                f"{artifact.title}: by its record of pictures, {where}, it takes pictures by "
                f"{pictures}, the dataset by {trained.pictures}; nothing was published"
            )


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


def _named(labels: tuple[str, ...]) -> str:
    return ", ".join(labels) or "none"

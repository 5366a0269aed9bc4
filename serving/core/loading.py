"""One version from its folder to a servable that is warm."""

import os
from pathlib import Path

import grpc

from ...base.export_layout import TFLITE_FILE
from ..protocol.status import StatusError
from . import config, versions
from .saved_model import SessionOptions
from .servable import Servable

# Name, size and time (ns) of each file of a version.
Fingerprint = tuple[tuple[str, int, int], ...]


def open_version(
    path: Path, options: SessionOptions, prefer_tflite: bool = False, interpreters: int = 1
) -> Servable:
    """Loads a version.

    Args:
      path: its folder, or the TFLite file in it that must be taken.
      options: of the session of a SavedModel; of a TFLite file `intra_op` counts.
      prefer_tflite: whether a folder's TFLite file is taken before its SavedModel.
      interpreters: how many calls of a TFLite file may run at once.

    Raises:
      StatusError: there is no model.
      Exception: what the runtime raises of a file that does not load.
    """
    # Imports that take their time; a server needs seldom both.
    file = path if path.name == TFLITE_FILE else path / TFLITE_FILE
    saved = any((path / name).is_file() for name in versions.SAVED_MODEL_FILES)
    if file.is_file() and (prefer_tflite or not saved):
        from . import tflite_model

        return tflite_model.load(file, interpreters, threads=options.intra_op or 1)
    if not saved:
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}",
        )
    from . import saved_model

    return saved_model.load(path, options)


def source(folder: Path, platform: str) -> Path:
    """What a version of a platform is loaded from: its folder, or its TFLite file."""
    return folder / TFLITE_FILE if platform == config.TFLITE else folder


def _files(platform: str) -> tuple[str, ...]:
    """Any of these makes a folder a version for a platform."""
    if platform == config.TFLITE:
        return (TFLITE_FILE,)
    return (*versions.SAVED_MODEL_FILES, TFLITE_FILE)


def list_versions(model: config.ModelConfig) -> versions.Listing:
    """The versions that a model should have; none, and a note, where there are none."""
    try:
        found = versions.find(model.base_path, _files(model.platform))
    except OSError as error:
        return versions.Listing(
            {}, (f"Could not find base path {model.base_path}: {error.strerror}",)
        )
    listing = versions.aspired(found, model.policy)
    if listing.versions:
        return listing
    note = (
        f"No versions of servable {model.name} found under base path {model.base_path}. Did you "
        "forget to name your leaf directory as a number (eg. '/1/')?"
    )
    return versions.Listing({}, (*listing.notes, note))


def folder_of(path: Path) -> Path:
    """The version's folder, of what `source` gave."""
    return path.parent if path.name == TFLITE_FILE else path


def fingerprint(path: Path) -> Fingerprint:
    """Tells whether a version's files have changed; what cannot be read is left out."""
    found = []
    for folder, _, names in os.walk(folder_of(path)):
        for name in names:
            try:
                facts = os.stat(os.path.join(folder, name))
            except OSError:
                continue
            found.append((os.path.join(folder, name), facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))

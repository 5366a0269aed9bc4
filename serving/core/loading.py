"""One version from its folder to a servable that is warm."""

import os
from pathlib import Path

import grpc

from ...base import manifests
from ...base.errors import UserError
from ...base.export_layout import EXTRA, TFLITE_FILE, WARMUP_FILE
from ..flags import ServeOptions
from ..protocol.status import StatusError
from . import saved_model, tflite_model, warmup
from .config import TFLITE
from .servable import Servable
from .versions import SAVED_MODEL_FILES

# Name, size and time (ns) of each file of a version.
Fingerprint = tuple[tuple[str, int, int], ...]


def load(folder: Path, platform: str, options: ServeOptions) -> Servable:
    """Loads a version, of the platform `tflite` its TFLite file, and runs its warm-up requests.

    Raises:
      StatusError: there is no model, or a request for warm-up is not the model's.
      Exception: what the runtime raises of a file that does not load.
    """
    servable = _open(folder, platform, options)
    try:
        if options.enable_model_warmup:
            warmup.replay(folder, servable, options)
    except BaseException:
        servable.close()
        raise
    return servable


def _open(folder: Path, platform: str, options: ServeOptions) -> Servable:
    file = folder / TFLITE_FILE
    has_saved_model = any((folder / name).is_file() for name in SAVED_MODEL_FILES)
    is_preferred = platform == TFLITE or options.prefer_tflite_model or not has_saved_model
    if is_preferred and file.is_file():
        _verify(file, options)
        return tflite_model.load(file, options)
    if platform == TFLITE or not has_saved_model:
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}",
        )
    _verify(folder, options)
    return saved_model.load(folder, options)


def _verify(path: Path, options: ServeOptions) -> None:
    """Refuses a version of ours whose files are not those that were published."""
    if not options.verify:
        return
    warm_up = [f"{EXTRA}/{WARMUP_FILE}"] if options.enable_model_warmup else []
    try:
        manifests.require_published(path, *warm_up)
    except UserError as error:
        raise StatusError(grpc.StatusCode.DATA_LOSS, str(error)) from error


def fingerprint(folder: Path) -> Fingerprint:
    """Tells whether a version's files have changed; what cannot be read is left out."""
    files = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            try:
                facts = os.stat(path)
            except OSError:
                continue
            files.append((path, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(files))

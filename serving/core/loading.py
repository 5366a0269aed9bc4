"""One version from its folder to a servable that is warm."""

import dataclasses
import os
from pathlib import Path

import grpc

from ...base.export_layout import TFLITE_FILE
from ..protocol.status import StatusError
from . import saved_model, tflite_model, warmup
from .config import TFLITE
from .saved_model import SessionOptions
from .servable import Servable
from .versions import SAVED_MODEL_FILES

# Name, size and time (ns) of each file of a version.
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """How versions are loaded.

    Attributes:
      session: of a SavedModel; of a TFLite file only `intra_op` counts.
      prefer_tflite: whether a folder's TFLite file is taken before its SavedModel.
      interpreters: how many calls of a TFLite file may run at once.
      strict: whether Classify and Regress take only signatures of their own method.
      warmup_iterations: how often each request for warm-up is run; 0 for no warm-up.
    """

    session: SessionOptions = SessionOptions()
    prefer_tflite: bool = False
    interpreters: int = 1
    strict: bool = False
    warmup_iterations: int = 1


def load(folder: Path, platform: str, options: LoadOptions) -> Servable:
    """Loads a version and runs its requests for warm-up.

    Args:
      folder: of the version.
      platform: `tflite` to take the TFLite file.
      options: how.

    Raises:
      StatusError: there is no model, or a request for warm-up is not the model's.
      Exception: what the runtime raises of a file that does not load.
    """
    servable = _open(folder, platform, options)
    try:
        if options.warmup_iterations:
            warmup.replay(folder, servable, options.warmup_iterations)
    except BaseException:
        servable.close()
        raise
    return servable


def _open(folder: Path, platform: str, options: LoadOptions) -> Servable:
    file = folder / TFLITE_FILE
    has_saved_model = any((folder / name).is_file() for name in SAVED_MODEL_FILES)
    is_preferred = platform == TFLITE or options.prefer_tflite or not has_saved_model
    if is_preferred and file.is_file():
        threads = options.session.intra_op or 1
        return tflite_model.load(file, options.interpreters, threads, strict=options.strict)
    if platform == TFLITE or not has_saved_model:
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}",
        )
    return saved_model.load(folder, options.session, strict=options.strict)


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

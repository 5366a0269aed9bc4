"""One version from its folder to a servable that is warm."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

import grpc

from ...base import addresses, export_layout, manifests
from ...base.errors import UserError
from ...base.export_layout import EXTRA, TFLITE_FILE, WARMUP_FILE
from ..flags import ServeOptions
from ..protocol.status import StatusError
from ..trials import Question, TrialError, Trials, is_due
from . import tflite_model, versions, warmup
from .config import TFLITE, ModelConfig
from .servable import Servable

# Name, size and time (ns) of each file of a version.
Fingerprint = tuple[tuple[str, int, int], ...]


def load(
    folder: Path, platform: str, options: ServeOptions, trials: Trials | None = None
) -> Servable:
    """Loads a version, of the platform `tflite` its TFLite file, and runs its warm-up requests.

    Args:
      folder: of the version.
      platform: of the model.
      options: what the server is asked to do.
      trials: tries it first, if `--trial` says so; None to try nothing.

    Raises:
      StatusError: there is no model, it must not be opened, or a request for warm-up is not the
        model's.
      Exception: what the runtime raises of a file that does not load.
    """
    path = check(folder, platform, options, trials)
    servable = _open(path, options)
    try:
        if options.enable_model_warmup:
            warmup.replay(folder, servable, options)
    except BaseException:
        servable.close()
        raise
    return servable


def check(folder: Path, platform: str, options: ServeOptions, trials: Trials | None) -> Path:
    """What is to be opened of a version; arguments and errors are those of `load`."""
    path = _artifact(folder, platform, options)
    is_published = _verify(path, options)
    if trials is not None and is_due(options.trial, is_published):
        _try(trials, path, platform, options)
    return path


def awaits_trial(models: Iterable[ModelConfig], options: ServeOptions) -> bool:
    """Whether there seems to be a SavedModel that is tried before it is served."""
    for model in models:
        if addresses.address_of(model.base_path) is not None:
            continue  # Its versions are not here yet.
        for folder in versions.wanted(model).versions.values():
            is_ours = options.verify and export_layout.manifest_of(folder).is_file()
            if (
                is_due(options.trial, is_ours)
                and _artifact(folder, model.platform, options).is_dir()
            ):
                return True
    return False


def _artifact(folder: Path, platform: str, options: ServeOptions) -> Path:
    """The TFLite file of a version, or its folder where the SavedModel is served."""
    file = folder / TFLITE_FILE
    has_saved_model = any((folder / name).is_file() for name in versions.SAVED_MODEL_FILES)
    is_preferred = platform == TFLITE or options.prefer_tflite_model or not has_saved_model
    if is_preferred and file.is_file():
        return file
    if platform == TFLITE or not has_saved_model:
        raise StatusError(
            grpc.StatusCode.NOT_FOUND,
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}",
        )
    return folder


def _open(path: Path, options: ServeOptions) -> Servable:
    if path.is_file():
        return tflite_model.load(path, options)
    from . import saved_model  # TensorFlow, which TFLite files do not need.

    return saved_model.load(path, options)


def _verify(path: Path, options: ServeOptions) -> bool:
    """Refuses a version of ours whose files are not those that were published.

    Returns:
      Whether they are known to be.
    """
    if not options.verify:
        return False
    warm_up = [f"{EXTRA}/{WARMUP_FILE}"] if options.enable_model_warmup else []
    try:
        return manifests.require_published(path, *warm_up)
    except UserError as error:
        raise StatusError(grpc.StatusCode.DATA_LOSS, str(error)) from error


def _try(trials: Trials, path: Path, platform: str, options: ServeOptions) -> None:
    folder = path if path.is_dir() else path.parent
    before = fingerprint(folder)
    known = dataclasses.replace(options, verify=False, trial=manifests.NEVER)
    try:
        trials.check(Question(path, known, platform))
    except TrialError as error:
        raise StatusError(grpc.StatusCode[error.code], str(error)) from error
    if fingerprint(folder) != before:
        raise StatusError(
            grpc.StatusCode.UNAVAILABLE, f"The files of {folder} changed while they were tried"
        )


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

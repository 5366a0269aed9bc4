"""Opens and runs an exported artifact: a SavedModel or a TFLite file.

TFLite files and SavedModels are opened here and nowhere else (the server runs SavedModels in
sessions of its own). A TFLite file needs no TensorFlow, a SavedModel no LiteRT. Any artifact
with a signature `serving_default` that takes one batch of raw images and gives
`probabilities` will do, not only ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import export_layout, files, manifests
from ..base.errors import UserError, first_line
from ..base.export_layout import DEFAULT_SIGNATURE
from ..base.files import JsonObject
from ..base.process.quiet import quiet_stderr
from . import remote
from .description import Description, describe
from .trials import check_one, is_due

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

# Images in a call where the batch size is open: bounds the memory of large networks.
_OPEN_BATCH = 250

# The outputs of a signature by name, each [N, …].
Outputs = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Classifier:
    """An artifact that classifies raw images, loaded.

    Attributes:
      path: of the artifact.
      description: what it says of itself.
      run: uint8 [N, H, W, C] to the outputs of the signature.
    """

    path: Path
    description: Description
    run: Callable[[np.ndarray], Outputs]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names by class number; empty if the artifact has none."""
        return self.description.labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the raw images that it takes."""
        return self.description.image_shape

    @property
    def manifest(self) -> JsonObject:
        """What digitline wrote beside the artifact; empty where it is somebody else's."""
        return manifests.read(self.path if self.path.is_dir() else self.path.parent)


def interpreter(
    model: Path | bytes,
    threads: int | None = None,
    *,
    quiet: bool = True,
    keep_all: bool = False,
) -> Interpreter:
    """Opens a TFLite file with LiteRT.

    Its tensors are allocated, unless sizes are open and cannot be the 1 that stands for them.
    The file is read, not mapped into memory: it may be replaced while the interpreter runs.

    Args:
      model: the file or its content, which several interpreters may share.
      threads: of each call; LiteRT's default if None.
      quiet: holds back what LiteRT writes to standard error, which is the whole process's:
        False where other threads run.
      keep_all: keeps what is between input and outputs too, to be looked at.

    Raises:
      UserError: it is missing, or LiteRT cannot load it.
    """
    from ai_edge_litert.interpreter import Interpreter

    where = f"{model}: " if isinstance(model, Path) else ""
    try:
        content = model.read_bytes() if isinstance(model, Path) else model
        if not content:
            raise ValueError("it is empty")
        with (
            quiet_stderr() if quiet else contextlib.nullcontext(),
            warnings.catch_warnings() if keep_all else contextlib.nullcontext(),
        ):
            if keep_all:
                warnings.simplefilter("ignore")  # That it takes memory.
            load = functools.partial(
                Interpreter,
                model_content=content,
                num_threads=threads,
                experimental_preserve_all_tensors=keep_all,
            )
            opened = load()
            try:
                opened.allocate_tensors()
            except RuntimeError:
                if not any(-1 in each["shape_signature"] for each in opened.get_input_details()):
                    raise
                opened = load()  # A new one, in which nothing has failed.
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{where}no such file") from None
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{where}not a TFLite file that loads: {first_line(error)}") from error
    return opened


class SavedModel:
    """A SavedModel, loaded from the folder with `saved_model.pb`.

    Raises:
      UserError: it does not load.
    """

    def __init__(self, folder: Path):
        from ..base.tf import tf  # A heavy import that TFLite does not need.

        self._constant = tf.constant
        try:
            # It owns the variables: the signatures do not keep them alive.
            with files.literal(folder) as place:
                self._loaded: Any = tf.saved_model.load(str(place))
        except (OSError, ValueError, tf.errors.OpError) as error:
            message = f"{folder}: not a SavedModel that loads: {first_line(error)}"
            raise UserError(message) from error
        self.signatures: tuple[str, ...] = tuple(self._loaded.signatures)

    def inputs(self, signature: str) -> Mapping[str, Any]:
        """The `tf.TensorSpec`s of a signature's inputs, by name."""
        return self._loaded.signatures[signature].structured_input_signature[1]

    def run(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Outputs:
        """Calls a signature."""
        tensors = {name: self._constant(value) for name, value in inputs.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


def open_saved_model(path: Path, verify: bool = True, trial: str = manifests.NEVER) -> Classifier:
    """Opens a SavedModel.

    Args:
      path: a version's folder, or a base path, of which the highest version counts.
      verify: refuses an export of ours whose files are not those that were published.
      trial: whether it is opened in a process of its own first, as the flag says.

    Raises:
      UserError: there is no SavedModel, or not one with the signature, or not as published.
    """
    folder = _version_folder(remote.saved_model(path))
    _examine(folder, verify, trial)
    model = SavedModel(folder)
    _require_signature(model.signatures, folder)
    name, spec = _only_input(model.inputs(DEFAULT_SIGNATURE), folder)
    shape = spec.shape.as_list() if spec.shape.rank is not None else []
    _check_input(spec.dtype.name, shape, folder)
    batch, height, width, channels = shape

    def call(images: np.ndarray) -> Outputs:
        return model.run(DEFAULT_SIGNATURE, {name: images})

    run = functools.partial(_run, folder, call, batch)
    return Classifier(folder, describe(folder, (height, width, channels)), run)


def open_tflite(path: Path, verify: bool = True, trial: str = manifests.NEVER) -> Classifier:
    """Opens a TFLite file.

    A file with int8 in and out is given and gives what the integers stand for.

    Args:
      path: of the file.
      verify: refuses an export of ours whose files are not those that were published.
      trial: whether it is opened in a process of its own first, as the flag says.

    Raises:
      UserError: it is not a TFLite file, or not one with the signature, or not as published.
    """
    _examine(remote.tflite(path), verify, trial)
    opened = interpreter(path)
    with _one_line(path, "not a TFLite file that loads"):
        _require_signature(opened.get_signature_list(), path)
        runner = opened.get_signature_runner(DEFAULT_SIGNATURE)
        name, detail = _only_input(runner.get_input_details(), path)
        shape = [int(size) for size in detail["shape"]]
        dtype = np.dtype(detail["dtype"])
        scale, zero = detail["quantization"]
        has_integers = dtype == np.int8 and bool(scale)
        _check_input("uint8" if has_integers else dtype.name, shape, path)
        details = runner.get_output_details()

    def call(images: np.ndarray) -> Outputs:
        if has_integers:
            images = np.clip(np.rint(images / scale) + zero, -128, 127).astype(np.int8)
        # Copies, since the interpreter writes its next answer into the same memory.
        outputs = {
            key: _dequantized(value, *details[key]["quantization"])
            for key, value in runner(**{name: images}).items()
        }
        if set(outputs) == {"probabilities"}:
            outputs["classes"] = outputs["probabilities"].argmax(axis=1)
        return outputs

    batch, height, width, channels = shape
    run = functools.partial(_run, path, call, batch)
    return Classifier(path, describe(path, (height, width, channels)), run)


# By the flag that names the artifact.
OPENERS = {export_layout.SAVED_MODEL: open_saved_model, export_layout.TFLITE: open_tflite}


def _examine(path: Path, verify: bool, trial: str) -> None:
    """Refuses what must not be opened."""
    is_published = verify and manifests.require_published(path)
    if path.exists() and is_due(trial, is_published):
        check_one(path)


def _dequantized(value: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """An output, copied; of a quantized one, the float32 numbers that it stands for."""
    if not scale:
        return np.array(value)
    return ((value.astype(np.float32) - zero) * scale).astype(np.float32)


@contextlib.contextmanager
def _one_line(path: Path, what: str) -> Iterator[None]:
    """Makes a user's error of whatever a runtime raises."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: {what}: {first_line(error)}") from error


def _run(
    path: Path, call: Callable[[np.ndarray], Outputs], batch: int | None, images: np.ndarray
) -> Outputs:
    with _one_line(path, "it does not take such images"):
        return _in_batches(call, batch, images)


def _in_batches(
    call: Callable[[np.ndarray], Outputs], batch: int | None, images: np.ndarray
) -> Outputs:
    """Runs a signature over any number of images; a fixed batch is filled up and cut again."""
    parts, size = [], batch or _OPEN_BATCH
    for start in range(0, len(images), size):
        chunk = images[start : start + size]
        count = len(chunk)
        if batch and count < batch:
            chunk = np.pad(chunk, [(0, batch - count), (0, 0), (0, 0), (0, 0)])
        parts.append({key: value[:count] for key, value in call(chunk).items()})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _version_folder(path: Path) -> Path:
    if (path / export_layout.SAVED_MODEL_FILE).is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: no such folder")
    folders = [file.parent for file in path.glob(f"*/{export_layout.SAVED_MODEL_FILE}")]
    versions = {int(folder.name): folder for folder in folders if folder.name.isdecimal()}
    if not versions:
        raise UserError(f"{path}: neither a SavedModel nor a folder of its versions")
    return versions[max(versions)]


def _require_signature(signatures: Collection[str], path: Path) -> None:
    if DEFAULT_SIGNATURE not in signatures:
        raise UserError(f"{path}: it has no signature {DEFAULT_SIGNATURE}")


def _only_input(inputs: Mapping[str, Any], path: Path) -> tuple[str, Any]:
    if len(inputs) != 1:
        raise UserError(
            f"{path}: {DEFAULT_SIGNATURE} takes {sorted(inputs)}; one input was expected"
        )
    return next(iter(inputs.items()))


def _check_input(dtype: str, shape: Sequence[int | None], path: Path) -> None:
    if dtype != "uint8" or len(shape) != 4 or None in shape[1:]:
        raise UserError(
            f"{path}: {DEFAULT_SIGNATURE} takes {dtype} {shape}; raw images were expected, "
            "uint8 [N, height, width, channels]"
        )

"""An exported artifact opened and run: a SavedModel or a TFLite file.

Any artifact with a signature `serving_default` that takes one batch of raw
images and gives `probabilities` will do, not only ours.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..base import files
from ..base.errors import UserError, first_line
from ..base.quiet import quiet_stderr

SIGNATURE = "serving_default"
LABELS_FILE = "labels.txt"

# Images in a call where the batch size is open: bounds the memory of large networks.
_OPEN_BATCH = 250


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A loaded artifact.

    Attributes:
      path: of the artifact.
      image_shape: (height, width, channels) of the raw images that it takes.
      labels: names by class number; empty if the artifact has none.
      run: uint8 [N, H, W, C] to the signature's outputs by name, each [N, …].
    """

    path: Path
    image_shape: tuple[int, int, int]
    labels: tuple[str, ...]
    run: Callable[[np.ndarray], dict[str, np.ndarray]]


def classify(classifier: Classifier, pixels: np.ndarray) -> dict[str, Any]:
    """The class of one image.

    Args:
      classifier: an artifact whose signature gives `probabilities`.
      pixels: uint8 [H, W, C].

    Returns:
      `class`, `label`, `probability`, and all `probabilities` by class number.

    Raises:
      UserError: the artifact gives no probabilities.
    """
    outputs = classifier.run(pixels[np.newaxis])
    if "probabilities" not in outputs:
        raise UserError(f"{classifier.path}: it gives {sorted(outputs)}, no probabilities")
    probabilities = outputs["probabilities"][0]
    number = int(np.argmax(probabilities))
    return {
        "class": number,
        "label": classifier.labels[number] if number < len(classifier.labels) else str(number),
        "probability": float(probabilities[number]),
        "probabilities": [float(value) for value in probabilities],
    }


def open_saved_model(path: Path) -> Classifier:
    """Opens a SavedModel.

    Args:
      path: a version's folder, or a base path, of which the highest version counts.

    Raises:
      UserError: there is no SavedModel, or not one with the signature.
    """
    folder = _version_folder(path)
    from ..base.tf import tf  # A heavy import that TFLite does not need.

    try:
        loaded: Any = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"{folder}: not a SavedModel that loads: {first_line(error)}") from error
    if SIGNATURE not in loaded.signatures:
        raise UserError(f"{folder}: it has no signature {SIGNATURE}")
    signature = loaded.signatures[SIGNATURE]
    inputs = signature.structured_input_signature[1]
    name, spec = _only_image_input(inputs, str(folder))
    shape = spec.shape.as_list() if spec.shape.rank is not None else []
    _check_input(spec.dtype.name, shape, str(folder))
    batch, height, width, channels = shape

    def call(images: np.ndarray) -> dict[str, np.ndarray]:
        # The reference to `loaded` keeps its variables alive.
        outputs = loaded.signatures[SIGNATURE](**{name: tf.constant(images)})
        return {key: value.numpy() for key, value in outputs.items()}

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        return _in_batches(call, images, batch or _OPEN_BATCH, fixed=batch is not None)

    labels = _labels(folder / "assets" / LABELS_FILE)
    return Classifier(folder, (height, width, channels), labels, run)


def manifest(classifier: Classifier) -> dict[str, Any]:
    """What digitline wrote beside the artifact; empty where it is somebody else's."""
    path = classifier.path
    place = path / "assets.extra/digitline.json" if path.is_dir() else path.parent / "manifest.json"
    if not place.is_file():
        return {}
    found = files.read_json(place)
    return found if isinstance(found, dict) else {}


def open_tflite(path: Path) -> Classifier:
    """Opens a TFLite file with LiteRT; TensorFlow is not needed.

    A file with int8 in and out is given and gives what the integers stand for.

    Raises:
      UserError: it is not a TFLite file, or not one with the signature.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    from ai_edge_litert import interpreter as litert

    try:
        with quiet_stderr():  # LiteRT announces its delegate there.
            interpreter = litert.Interpreter(model_path=str(path))
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path}: not a TFLite file that loads: {first_line(error)}") from error
    if SIGNATURE not in interpreter.get_signature_list():
        raise UserError(f"{path}: it has no signature {SIGNATURE}")
    runner = interpreter.get_signature_runner(SIGNATURE)
    name, detail = _only_image_input(runner.get_input_details(), str(path))
    shape = [int(size) for size in detail["shape"]]
    scale, zero = detail["quantization"]
    if np.dtype(detail["dtype"]) != np.int8 or not scale:
        _check_input(np.dtype(detail["dtype"]).name, shape, str(path))
    details = runner.get_output_details()

    def call(images: np.ndarray) -> dict[str, np.ndarray]:
        given = images
        if np.dtype(detail["dtype"]) == np.int8:  # A file with integers in and out.
            given = np.clip(np.rint(images / scale) + zero, -128, 127).astype(np.int8)
        found = runner(**{name: given})
        # Copies, since the interpreter writes its next answer into the same memory.
        outputs = {key: _as_numbers(value, details[key]) for key, value in found.items()}
        if set(outputs) == {"probabilities"}:
            outputs["classes"] = outputs["probabilities"].argmax(axis=1)
        return outputs

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        return _in_batches(call, images, batch=shape[0], fixed=True)

    return Classifier(path, (shape[1], shape[2], shape[3]), _labels(path.parent / LABELS_FILE), run)


# By the flag that names the artifact.
OPENERS = {"saved_model": open_saved_model, "tflite": open_tflite}


def _as_numbers(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """An output, copied; of a quantized one, the float32 numbers that it stands for."""
    scale, zero = detail["quantization"]
    if not scale:
        return np.array(value)
    return ((value.astype(np.float32) - zero) * scale).astype(np.float32)


def _in_batches(
    call: Callable[[np.ndarray], dict[str, np.ndarray]],
    images: np.ndarray,
    batch: int,
    fixed: bool,
) -> dict[str, np.ndarray]:
    """Runs a signature over any number of images; a fixed batch is filled up and cut again."""
    parts = []
    for start in range(0, len(images), batch):
        chunk = images[start : start + batch]
        count = len(chunk)
        if fixed and count < batch:
            chunk = np.pad(chunk, [(0, batch - count), (0, 0), (0, 0), (0, 0)])
        parts.append({key: value[:count] for key, value in call(chunk).items()})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _version_folder(path: Path) -> Path:
    if (path / "saved_model.pb").is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: no such folder")
    versions = [
        child
        for child in path.iterdir()
        if child.name.isdecimal() and (child / "saved_model.pb").is_file()
    ]
    if not versions:
        raise UserError(f"{path}: neither a SavedModel nor a folder of its versions")
    return max(versions, key=lambda child: int(child.name))


def _only_image_input(inputs: dict[str, Any], path: str) -> tuple[str, Any]:
    if len(inputs) != 1:
        raise UserError(f"{path}: {SIGNATURE} takes {sorted(inputs)}; one input was expected")
    return next(iter(inputs.items()))


def _check_input(dtype: str, shape: Sequence[int | None], path: str) -> None:
    if dtype != "uint8" or len(shape) != 4 or None in shape[1:]:
        raise UserError(
            f"{path}: {SIGNATURE} takes {dtype} {shape}; raw images were expected, "
            "uint8 [N, height, width, channels]"
        )


def _labels(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    return tuple(path.read_text(encoding="utf-8").splitlines())

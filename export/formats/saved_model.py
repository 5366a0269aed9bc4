"""A trained model to a SavedModel with the signatures of the table."""

from pathlib import Path
from typing import Any

import numpy as np

from ...base import export_layout
from ...base.tf import keras, tf
from .. import functions, signatures
from ..functions import Classifier
from . import mediapipe

# The function of each signature, from a `Classifier`.
FUNCTIONS = {
    signatures.SERVING_DEFAULT: functions.serving_default,
    signatures.PREDICT_IMAGES: functions.predict_images,
    signatures.PREDICT_BYTES: functions.predict_bytes,
    signatures.CLASSIFY: functions.classify,
    signatures.ACTIVATIONS: functions.activations,
    signatures.TFLITE_DEFAULT: lambda subject: functions.serving_default(subject, tf.int32),
    signatures.INTEGER_IO: functions.probabilities_alone,
    signatures.CLASSIFY_RGB: mediapipe.classify_rgb,
}


def write(
    subject: Classifier,
    folder: Path,
    carried: tuple[signatures.Signature, ...] = signatures.SAVED_MODEL,
    batch_size: int | None = None,
) -> None:
    """Writes the SavedModel.

    `ExportArchive` tracks the model's variables; a plain `tf.Module` around a
    Keras 3 model does not, and what is converted from it has no weights.

    Args:
      subject: what to export.
      folder: to write; must not exist.
      carried: the signatures.
      batch_size: fixes N; None leaves it open.
    """
    archive: Any = keras.export.ExportArchive()
    archive.track(subject.model)
    for signature in carried:
        spec = _spec(signature.input, subject.image_shape, batch_size)
        function = FUNCTIONS[signature](subject)
        archive.add_endpoint(signature.name, function, input_signature=[spec])
    archive.write_out(str(folder), verbose=False)
    _name_methods(folder / export_layout.SAVED_MODEL_FILE, carried)
    write_labels(folder / export_layout.ASSETS / export_layout.LABELS, subject.label_names)


def write_labels(path: Path, label_names: tuple[str, ...]) -> None:
    """Writes the label names, one a line, by class number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in label_names), encoding="utf-8")


def _spec(
    tensor: signatures.Tensor, image_shape: tuple[int, int, int], batch_size: int | None
) -> tf.TensorSpec:
    height, width, channels = image_shape
    sizes = {
        signatures.N: batch_size,
        signatures.H: height,
        signatures.W: width,
        signatures.C: channels,
        signatures.RGB: 3,
        signatures.HWC: int(np.prod(image_shape)),
    }
    shape = [sizes[size] for size in tensor.shape]
    return tf.TensorSpec(shape, tensor.dtype, name=tensor.name)


def _name_methods(path: Path, carried: tuple[signatures.Signature, ...]) -> None:
    """Gives signatures the methods of the table: TensorFlow 2 calls all of them predict."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in content.meta_graphs:
        for signature in carried:
            graph.signature_def[signature.name].method_name = signature.method
    path.write_bytes(content.SerializeToString(deterministic=True))

"""A trained model to a SavedModel with the signatures of the table."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np

from ...base import configs, export_layout, files
from ...base.tf import tf
from ...serving.artifacts import Outputs, SavedModel
from ...serving.description import read_labels
from .. import functions, signatures
from ..functions import TrainedModel
from .artifact import Artifact, Opened
from .mediapipe import classify_rgb

# The function of each signature, from a `TrainedModel`.
FUNCTIONS = {
    signatures.SERVING_DEFAULT: functions.serving_default,
    signatures.PREDICT_IMAGES: functions.predict_images,
    signatures.PREDICT_BYTES: functions.predict_bytes,
    signatures.CLASSIFY: functions.classify,
    signatures.ACTIVATIONS: functions.activations,
    signatures.TFLITE_DEFAULT: lambda trained: functions.serving_default(trained, tf.int32),
    signatures.INTEGER_IO: functions.probabilities,
    signatures.CLASSIFY_RGB: classify_rgb,
}


def write(trained: TrainedModel, folder: Path) -> None:
    """Writes the SavedModel, with labels and picture record, into a folder that does not exist."""
    write_signatures(trained, folder, signatures.SAVED_MODEL)
    write_description(folder / export_layout.ASSETS, trained)


def write_signatures(
    trained: TrainedModel,
    folder: Path,
    carried: tuple[signatures.Signature, ...],
    batch_size: int | None = None,
) -> None:
    """Writes a SavedModel with these signatures; a `batch_size` of None leaves N open.

    Keras's `ExportArchive` would list the variables in another order in each process, and write
    each of them twice.
    """
    root: Any = tf.__internal__.tracking.AutoTrackable()
    root.variables = [variable.value for variable in trained.model.variables]
    root.trainable_variables = [variable.value for variable in trained.model.trainable_variables]
    for signature in carried:
        tensor = signature.input
        shape = tensor.sizes(trained.image_shape, len(trained.label_names), batch_size)
        spec = tf.TensorSpec(shape, tensor.dtype, name=tensor.name)
        function = functions.strict(FUNCTIONS[signature](trained), shape)
        setattr(root, signature.name, tf.function(function, [spec], autograph=False))
    endpoints = {signature.name: getattr(root, signature.name) for signature in carried}
    tf.saved_model.save(root, str(folder), endpoints)
    _name_methods(folder / export_layout.SAVED_MODEL_FILE, carried)
    _fingerprint(folder)


def write_description(folder: Path, trained: TrainedModel) -> None:
    """Writes the label names, one a line, by class number; and how pictures become images."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{name}\n" for name in trained.label_names)
    (folder / export_layout.LABELS).write_text(lines, encoding="utf-8")
    files.write_json(folder / export_layout.PICTURES, configs.to_config(trained.pictures))


def _name_methods(path: Path, carried: tuple[signatures.Signature, ...]) -> None:
    """Gives signatures the methods of the table: TensorFlow 2 calls all of them predict."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in content.meta_graphs:
        for signature in carried:
            graph.signature_def[signature.name].method_name = signature.method
    path.write_bytes(content.SerializeToString(deterministic=True))


def _fingerprint(folder: Path) -> None:
    """Renews TensorFlow's record of the files, which has other method names and a random number.

    With a number made of the content, the same model gives the same bytes.
    """
    from tensorflow.core.protobuf import fingerprint_pb2
    from tensorflow.python.saved_model.pywrap_saved_model import fingerprinting

    content = fingerprinting.CreateFingerprintDef(str(folder))
    fingerprint: Any = fingerprint_pb2.FingerprintDef.FromString(content)
    fingerprint.uuid = ""
    words = fingerprint.SerializeToString(deterministic=True).hex()
    fingerprint.uuid = str(uuid.uuid5(uuid.NAMESPACE_OID, words))
    content = fingerprint.SerializeToString(deterministic=True)
    (folder / export_layout.FINGERPRINT_FILE).write_bytes(content)


def _open(folder: Path) -> Opened:
    model = SavedModel(folder)

    def run(signature: str, values: np.ndarray) -> Outputs:
        (name,) = model.inputs(signature)
        return model.run(signature, {name: values})

    return Opened(read_labels(export_layout.labels_of(folder)), None, run)


ARTIFACT = Artifact(
    name=export_layout.SAVED_MODEL,
    title="SavedModel",
    path="",
    signatures=signatures.SAVED_MODEL,
    open=_open,
)

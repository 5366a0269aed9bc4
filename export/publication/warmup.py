"""Warm-up requests: what TF Serving sends a version before it answers with it.

A TFRecord file of `PredictionLog`s in `assets.extra`, one for each signature.
Source: https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

import importlib
from pathlib import Path

import numpy as np

from ...base import export_layout
from ...base.tf import tf
from .. import signatures
from ..functions import TrainedModel
from ..gate.calls import CALLS


def write(trained: TrainedModel, image: np.ndarray, folder: Path) -> None:
    """Writes the requests, of an image uint8 [H, W, C], into `assets.extra`, made if need be."""
    # By name: the module's classes are made when it is imported, so no type checker knows them.
    log_messages = importlib.import_module("tensorflow_serving.apis.prediction_log_pb2")
    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / export_layout.WARMUP_FILE)) as writer:
        for signature in signatures.SAVED_MODEL:
            values = CALLS[signature.name].encode(image[np.newaxis], trained)
            log = log_messages.PredictionLog()
            is_classify = signature.method == signatures.CLASSIFY_METHOD
            part = log.classify_log if is_classify else log.predict_log
            part.request.model_spec.name = trained.name
            part.request.model_spec.signature_name = signature.name
            if is_classify:
                example = part.request.input.example_list.examples.add()
                example.ParseFromString(values[0])
            else:
                tensor = tf.make_tensor_proto(values, signature.input.dtype)
                part.request.inputs[signature.input.name].CopyFrom(tensor)
            writer.write(log.SerializeToString(deterministic=True))

"""Warm-up: a version runs the requests that its folder holds before it answers any other.

Source of the format: https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import numpy as np
from absl import logging
from google.protobuf.message import DecodeError

from ...base import export_layout, files, tfrecord
from ...base.errors import first_line
from ..bounds.limits import check_rows
from ..flags import ServeOptions
from ..protocol import examples, messages, tensors
from ..protocol.inputs import decoded
from ..protocol.status import StatusError, invalid
from .executor import MOST_ROWS
from .inference import check_names
from .servable import Servable, Signature

FILE = Path(export_layout.EXTRA) / export_layout.WARMUP_FILE
MAX_RECORDS = 1000


def replay(folder: Path, servable: Servable, options: ServeOptions) -> int:
    """Runs each warm-up request in a version's folder, once or as often as the flag says.

    Returns:
      How many requests the folder holds; it may be 0.

    Raises:
      StatusError: there are too many, one is malformed, or one is not the model's.
      DataError: something else is in the place of the file.
      Exception: what the model raises of one.
    """
    path = folder / FILE
    if not files.is_there(path):
        return 0
    started = time.monotonic()
    count = 0
    for record in _records(path):
        count += 1
        if count > MAX_RECORDS:
            raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
        try:
            log = messages.PredictionLog.FromString(record)
        except DecodeError as error:
            raise invalid(f"Failed to parse warmup record: number {count} from {path}") from error
        try:
            for _ in range(max(1, options.num_request_iterations_for_warmup)):
                _Warmup(servable, options).run(log)
        except StatusError as error:
            message = f"{error.message} (warmup record {count} of {path})"
            raise StatusError(error.code, message) from error
    logging.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d. "
        "Elapsed time: %.2f s.",
        folder,
        count,
        time.monotonic() - started,
    )
    return count


def _records(path: Path) -> Iterator[bytes]:
    """The file's records, at most one more than there may be."""
    from ...base.tf import tf  # Only here: TFLite files do not need it.

    if tfrecord.overlong(path) is not None:  # TensorFlow would ask for that much memory.
        raise _not_records(path, "a record is longer than the file")
    try:
        for record in tf.data.TFRecordDataset(str(path)).take(MAX_RECORDS + 1).as_numpy_iterator():
            yield bytes(record)
    except tf.errors.DataLossError as error:
        raise _not_records(path, first_line(error)) from error


def _not_records(path: Path, cause: str) -> StatusError:
    """That a file is not as it should be, in TF Serving's words."""
    return StatusError(
        grpc.StatusCode.DATA_LOSS,
        f"{cause}; Please verify your warmup data, which should be in TFRecord format: {path}",
    )


class _Warmup:
    """The requests of a file, with the limits that all requests have."""

    def __init__(self, servable: Servable, options: ServeOptions):
        self._servable, self._options = servable, options

    def run(self, log: messages.PredictionLog) -> None:
        """Runs what a record asks for."""
        kind = log.WhichOneof("log_type")
        if kind == "predict_log":
            self._predict(log.predict_log.request)
        elif kind in ("classify_log", "regress_log"):
            request = getattr(log, kind).request
            self._run_examples(request.model_spec, request.input)
        elif kind == "multi_inference_log":
            request = log.multi_inference_log.request
            for task in request.tasks:
                self._run_examples(task.model_spec, request.input)
        else:
            raise StatusError(
                grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
            )

    def _predict(self, request: messages.PredictRequest) -> None:
        name, signature = self._signature(request.model_spec)
        check_names(signature, request.inputs, request.output_filter)
        limits = self._options.max_request_bytes, self._options.max_filled_bytes
        inputs = decoded(signature.with_defaults(request.inputs), *limits)
        self._call(name, inputs, list(request.output_filter or signature.outputs))

    def _run_examples(self, spec: messages.ModelSpec, request_input: messages.Input) -> None:
        """Runs `tf.Example`s, the way of Classify, Regress and MultiInference."""
        name, signature = self._signature(spec)
        if len(signature.inputs) != 1:
            raise invalid(f"Expected one input Tensor. Got {len(signature.inputs)}.")
        serialized = examples.serialized(request_input, self._options.max_request_bytes)
        inputs = dict.fromkeys(signature.inputs, tensors.string_array(serialized))
        self._call(name, inputs, list(signature.outputs))

    def _call(self, name: str, inputs: Mapping[str, np.ndarray], outputs: list[str]) -> None:
        rows = self._servable.signatures[name].rows(inputs)
        check_rows(rows, self._options.max_request_rows)
        for start in range(0, max(rows, 1), MOST_ROWS):  # As requests are run.
            end = start + MOST_ROWS
            piece = {key: array[start:end] for key, array in inputs.items()} if rows else inputs
            self._servable.run(name, piece, outputs)

    def _signature(self, spec: messages.ModelSpec) -> tuple[str, Signature]:
        name = spec.signature_name or export_layout.DEFAULT_SIGNATURE
        return name, self._servable.signature(name)

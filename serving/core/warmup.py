"""Warm-up: a version runs the requests that its folder holds before it answers any other.

Source of the format: https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from absl import logging

from ...base import export_layout
from ...base.tf import tf
from ..protocol.status import StatusError, invalid
from .servable import Servable, Signature

FILE = Path(export_layout.EXTRA) / export_layout.WARMUP_FILE
MAX_RECORDS = 1000


def replay(folder: Path, servable: Servable, iterations: int = 0) -> int:
    """Runs a version's warm-up requests.

    Args:
      folder: of the version; nothing is done where it holds no such requests.
      servable: the loaded version.
      iterations: how often each is run; 0 is once, as with TF Serving's flag.

    Returns:
      How many requests the file holds.

    Raises:
      StatusError: there are too many, one is malformed, or one is not the model's.
      Exception: what the model raises of one.
    """
    path = folder / FILE
    if not path.is_file():
        return 0
    started = time.monotonic()
    count = 0
    for record in _records(path):
        count += 1
        if count > MAX_RECORDS:
            raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
        calls = _calls(record, count, path)
        for _ in range(max(1, iterations)):
            for call in calls:
                call(servable)
    logging.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d. "
        "Elapsed time: %.2f s.",
        folder,
        count,
        time.monotonic() - started,
    )
    return count


def _records(path: Path) -> Iterator[Any]:
    """The file's records, bytes; one more than there may be at most."""
    try:
        yield from tf.data.TFRecordDataset(str(path)).take(MAX_RECORDS + 1).as_numpy_iterator()
    except tf.errors.DataLossError as error:
        raise StatusError(
            grpc.StatusCode.DATA_LOSS,
            f"{error.message}; Please verify your warmup data, which should be in TFRecord "
            f"format: {path}",
        ) from error


def _calls(record: bytes, number: int, path: Path) -> list[Callable[[Servable], None]]:
    """What a record asks for; several calls where it is a MultiInference."""
    # An import that takes its time, of a package that imports TensorFlow.
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    messages: Any = prediction_log_pb2  # Its classes are made when it is imported.
    try:
        log = messages.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record: number {number} from {path}") from error
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        return [_predict(log.predict_log.request)]
    if kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        return [_examples(request.model_spec, request.input)]
    if kind == "multi_inference_log":
        request = log.multi_inference_log.request
        return [_examples(task.model_spec, request.input) for task in request.tasks]
    raise StatusError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"Unsupported log_type for warmup: {kind} (record {number} of {path})",
    )


def _predict(request: Any) -> Callable[[Servable], None]:
    inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}

    def call(servable: Servable) -> None:
        name, signature = _signature(servable, request.model_spec)
        wanted = list(request.output_filter)
        if set(inputs) != set(signature.inputs) or not set(wanted) <= set(signature.outputs):
            raise invalid(
                f'warmup record for signature "{name}" gives the inputs {sorted(inputs)} and wants '
                f"the outputs {sorted(wanted) or 'all'}; the signature has "
                f"{sorted(signature.inputs)} and {sorted(signature.outputs)}"
            )
        servable.run(name, inputs, wanted or list(signature.outputs))

    return call


def _examples(spec: Any, given: Any) -> Callable[[Servable], None]:
    """A call with `tf.Example`s, the way of Classify, Regress and MultiInference."""
    examples = _serialized(given)

    def call(servable: Servable) -> None:
        name, signature = _signature(servable, spec)
        if len(signature.inputs) != 1:
            raise invalid(f"Expected one input Tensor. Got {len(signature.inputs)}.")
        (only,) = signature.inputs
        servable.run(name, {only: examples}, list(signature.outputs))

    return call


def _serialized(given: Any) -> np.ndarray:
    """The examples of a `tensorflow.serving.Input`, object [N] of bytes."""
    if given.WhichOneof("kind") == "example_list_with_context":
        listed = given.example_list_with_context
        context = listed.context.SerializeToString()
        # Messages that are written one after the other are read as one merged message.
        values = [context + example.SerializeToString() for example in listed.examples]
    else:
        values = [example.SerializeToString() for example in given.example_list.examples]
    return _strings(values)


def _strings(values: Sequence[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)  # numpy would cut trailing zero bytes otherwise.
    array[:] = values
    return array


def _signature(servable: Servable, spec: Any) -> tuple[str, Signature]:
    name = spec.signature_name or export_layout.DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    return name, servable.signatures[name]

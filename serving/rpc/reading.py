"""From the bytes of a gRPC request to its message, its tensors and its examples.

What takes long to read is read in the worker.
"""

import asyncio
import dataclasses

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

from ..bounds.budget import Hold
from ..bounds.limits import Effort, Limits, check_rows
from ..bounds.shared import Shared
from ..bounds.wire import is_plain
from ..core.servable import Signature
from ..protocol import examples, messages
from ..protocol.inputs import decoded
from ..protocol.status import StatusError, invalid

# Bytes: of a longer message it is looked at how much work reading it is; so many its tensors may
# have to become arrays on the event loop; and no message without tensors or examples is longer.
_SMALL, _LARGE, _MOST_OTHERS = 32 << 10, 256 << 10, 4 << 20
# Messages that have examples.
_OF_EXAMPLES = ("ClassificationRequest", "RegressionRequest", "MultiInferenceRequest")


@dataclasses.dataclass(slots=True)
class Incoming:
    """A request that has come.

    Attributes:
      message: without its inputs or examples where the worker has read them.
      size: its bytes.
      hold: of the memory that it takes.
      effort: what it may take.
      arrays: its inputs, if the worker has read them.
      examples: serialized, if the worker has read them.
    """

    message: messages.PredictRequest  # Or another one: their classes are made at run time.
    size: int
    hold: Hold
    effort: Effort
    arrays: dict[str, np.ndarray] | None = None
    examples: list[bytes] | None = None


async def read(data: bytes, request_class: type[Message], shared: Shared, hold: Hold) -> Incoming:
    """Reads a request; `hold` grows with it.

    Raises:
      StatusError: INVALID_ARGUMENT: it is none; or as of the hold and the worker.
    """
    name, limits = request_class.DESCRIPTOR.name, shared.limits
    effort = Effort(limits.seconds, here=True)
    if len(data) <= _SMALL:
        return Incoming(_parsed(data, request_class), len(data), hold, effort)
    await hold.resize(len(data), effort)
    if name in _OF_EXAMPLES:
        head, serialized = await shared.worker.call(effort, _examples, data, name, limits)
        message = request_class.FromString(head)
        return Incoming(message, len(data), hold, effort, examples=serialized)
    if name == "PredictRequest" and not is_plain(data):
        head, arrays = await shared.worker.call(effort, _inputs, data, limits)
        return Incoming(request_class.FromString(head), len(data), hold, effort, arrays)
    if name != "PredictRequest" and len(data) > _MOST_OTHERS:
        raise StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED, f"A {name} may have {_MOST_OTHERS} bytes"
        )
    return Incoming(_parsed(data, request_class), len(data), hold, effort)


async def arrays_of(call: Incoming, signature: Signature, shared: Shared) -> dict[str, np.ndarray]:
    """The inputs of a PredictRequest, and the signature's defaults of those that it leaves out.

    Raises:
      StatusError: INVALID_ARGUMENT: they take too much memory, or one is not a valid tensor.
    """
    most = (shared.limits.body_bytes, shared.limits.filled_bytes)
    if call.arrays is not None:
        missing = signature.with_defaults({}).keys() - call.arrays.keys()
        defaults = {name: signature.with_defaults({})[name] for name in missing}
        return {**call.arrays, **decoded(defaults, *most)}
    protos = signature.with_defaults(call.message.inputs)
    if call.size < _LARGE:
        return decoded(protos, *most)
    return await asyncio.get_running_loop().run_in_executor(
        shared.converting, decoded, protos, *most
    )


def examples_of(call: Incoming, limits: Limits) -> list[bytes]:
    """The serialized examples of a request.

    Raises:
      StatusError: INVALID_ARGUMENT: there are none, or too many.
    """
    return _serialized(call.message, limits) if call.examples is None else call.examples


def _parsed(data: bytes, request_class: type[Message]) -> messages.PredictRequest:
    try:
        return request_class.FromString(data)
    except DecodeError:
        raise invalid(f"the message is not a {request_class.DESCRIPTOR.name}") from None


def _inputs(data: bytes, limits: Limits, _: Effort) -> tuple[bytes, dict[str, np.ndarray]]:
    """In the worker."""
    request = _parsed(data, messages.PredictRequest)
    arrays = decoded(request.inputs, limits.body_bytes, limits.filled_bytes)
    request.ClearField("inputs")
    return request.SerializeToString(), arrays


def _examples(data: bytes, name: str, limits: Limits, _: Effort) -> tuple[bytes, list[bytes]]:
    """In the worker."""
    request = _parsed(data, getattr(messages, name))
    serialized = _serialized(request, limits)
    request.ClearField("input")
    return request.SerializeToString(), serialized


def _serialized(request: messages.ClassificationRequest, limits: Limits) -> list[bytes]:
    for kind in ("example_list", "example_list_with_context"):
        if request.input.HasField(kind):
            check_rows(len(getattr(request.input, kind).examples), limits.rows)
    return examples.serialized(request.input, limits.body_bytes)

"""What is in TF Serving's messages: targets, tensors, examples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.inference import Target
from ..protocol import tensors
from ..protocol.status import invalid


def model_name(request: Any) -> str:
    """Of any request; empty where there is none."""
    if hasattr(request, "model_spec"):
        return request.model_spec.name
    tasks = getattr(request, "tasks", ())
    return tasks[0].model_spec.name if tasks else ""


def spec_of(request: Any) -> Any:
    """The ModelSpec of a request.

    Raises:
      StatusError: INVALID_ARGUMENT: there is none.
    """
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def target_of(spec: Any) -> Target:
    """Which model a ModelSpec means."""
    choice = spec.WhichOneof("version_choice")
    return Target(
        spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
    )


def echo(spec: Any, lease: Any, signature: str) -> None:
    """Which model it was that answered."""
    spec.name = lease.name
    spec.version.value = lease.version
    spec.signature_name = signature


def decoded(given: Mapping[str, Any], max_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of a map of TensorProtos, which may take so many bytes together.

    Raises:
      StatusError: INVALID_ARGUMENT: they take more, or one is no tensor.
    """
    left, found = max_bytes, {}
    for name, tensor in given.items():
        try:
            found[name] = tensors.decode(tensor, left)
        except ValueError as error:
            raise invalid(f"tensor parsing error: {name}: {error}") from None
        left -= found[name].nbytes
    return found


def examples(given: Any, max_bytes: int) -> list[bytes]:
    """The serialized examples of an `Input`, the context of all merged into each.

    Raises:
      StatusError: INVALID_ARGUMENT: there are none, or they become larger than `max_bytes`.
    """
    kind = given.WhichOneof("kind")
    if kind == "example_list":
        return [example.SerializeToString() for example in given.example_list.examples]
    if kind != "example_list_with_context":
        raise invalid("Input is empty.")
    listed, context = (
        getattr(given.example_list_with_context, name) for name in ("examples", "context")
    )
    if context.ByteSize() * len(listed) > max_bytes:
        raise invalid(
            f"The context in each of {len(listed)} examples makes more than {max_bytes} bytes"
        )
    # Of two messages one after the other a parser makes the merged one.
    shared = context.SerializeToString()
    return [shared + example.SerializeToString() for example in listed]

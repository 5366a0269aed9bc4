"""The tensors of a Predict request, with limits: a message of a few bytes can state any size."""

from collections.abc import Mapping

import numpy as np

from . import messages, tensors
from .status import invalid


def decoded(
    inputs: Mapping[str, messages.TensorProto], max_bytes: int, max_filled: int
) -> dict[str, np.ndarray]:
    """The arrays of a request's tensors, which may take `max_bytes` together.

    One that is filled with its last value may take `max_filled`.

    Raises:
      StatusError: INVALID_ARGUMENT: they take more, or one is not a valid tensor.
    """
    left, arrays = max_bytes, {}
    for name, tensor in inputs.items():
        try:
            arrays[name] = tensors.decode(tensor, left, max_filled)
        except ValueError as error:
            raise invalid(f"tensor parsing error: {name}: {error}") from None
        left -= arrays[name].nbytes
    return arrays

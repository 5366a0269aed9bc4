"""What TensorFlow Lite's interpreters have in common, and what adapters say of outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Outputs = dict[str, np.ndarray]
Run = Callable[[np.ndarray], Outputs]


def load_with(interpreter_class: Callable[..., Any], path: str) -> Run:
    """The file's only signature, in an interpreter of TensorFlow Lite's interface."""
    runner = interpreter_class(model_path=path).get_signature_runner()
    (name,) = runner.get_input_details()
    return lambda values: dict(runner(**{name: values}))


def by_size(arrays: Iterable[np.ndarray], images: int) -> Outputs:
    """Outputs of a runtime that gives no names, or its own: the larger are probabilities.

    Args:
      arrays: one, or two of which one has a number for each image.
      images: how many went in.
    """
    largest, *others = sorted(map(np.asarray, arrays), key=np.size, reverse=True)
    outputs: Outputs = {"probabilities": largest.reshape(images, -1)}
    if others:
        outputs["classes"] = others[0].reshape(-1)
    return outputs

"""Smaller TFLite files, by LiteRT's quantizer.

Quantization inside TensorFlow's converter is being retired; litert-quantizer, which
takes a float32 file, is what is maintained.
Source: https://developers.google.com/edge/litert/quantization.
"""

import contextlib
import io
from typing import Any

import numpy as np

from ...base.errors import UserError, first_line
from ...base.quiet import quiet_stderr
from ...serving import artifacts
from .. import signatures


def float16(content: bytes) -> bytes:
    """Half-precision weights; computes in float32."""
    quantizer, names = _quantizer(content)
    quantizer.add_weight_only_config(
        regex=".*",
        operation_name=names.operation.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key=names.algorithm.FLOAT_CASTING,
    )
    return _quantized(quantizer, None)


def dynamic_int8(content: bytes) -> bytes:
    """Weights in int8 by channel; activations are quantized as they come, in and out is float."""
    quantizer, names = _quantizer(content)
    quantizer.add_dynamic_config(
        regex=".*", operation_name=names.operation.ALL_SUPPORTED, num_bits=8
    )
    return _quantized(quantizer, None)


def int8(content: bytes, images: np.ndarray, integer_io: bool) -> bytes:
    """Weights and activations in int8.

    Args:
      content: a float32 file, of batch N.
      images: uint8 [n, H, W, C], from which the activations' ranges are taken.
      integer_io: whether `images` and `probabilities` are int8 too; `content` must take
        float32 then.
    """
    quantizer, names = _quantizer(content)
    quantizer.add_static_config(
        regex=".*",
        operation_name=names.operation.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    if not integer_io:
        quantizer.update_quantization_recipe(
            regex=".*",
            operation_name=names.operation.OUTPUT,
            algorithm_key=names.algorithm.NO_QUANTIZE,
        )
    return _quantized(quantizer, _calibrated(quantizer, content, images))


class _Names:
    """The quantizer's own words."""

    def __init__(self) -> None:
        from litert_quantizer import qtyping, quantizer

        self.operation: Any = qtyping.TFLOperationName
        self.algorithm: Any = quantizer.AlgorithmName


def _quantizer(content: bytes) -> tuple[Any, _Names]:
    from litert_quantizer import quantizer

    return quantizer.Quantizer(bytearray(content)), _Names()


def _calibrated(quantizer: Any, content: bytes, images: np.ndarray) -> Any:
    """The range of each activation over the images."""
    runner = artifacts.interpreter(content).get_signature_runner(signatures.SERVING_DEFAULT.name)
    detail = next(iter(runner.get_input_details().values()))
    batch = int(detail["shape"][0])
    whole = images[: len(images) // batch * batch].astype(detail["dtype"])
    samples = [{"images": part} for part in np.split(whole, len(whole) // batch)]
    with quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
        found = quantizer.calibrate({signatures.SERVING_DEFAULT.name: samples})
    # Pixels have a range of their own, whatever these images hold of it: the scale of
    # an integer input is then 1, and nothing is rounded.
    for name, ranges in found.items():
        if name == detail["name"]:
            ranges["min"] = np.zeros_like(ranges["min"])
            ranges["max"] = np.full_like(ranges["max"], 255.0)
    return found


def _quantized(quantizer: Any, calibrated: Any) -> bytes:
    try:
        with quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
            return bytes(quantizer.quantize(calibrated).quantized_model)
    except Exception as error:  # It raises whatever it likes.
        raise UserError(f"the model cannot be quantized: {first_line(error)}") from error

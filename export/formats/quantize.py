"""Smaller TFLite files, by LiteRT's quantizer.

Quantization inside TensorFlow's converter is being retired; litert-quantizer, which
takes a float32 file, is what is maintained.
Source: https://developers.google.com/edge/litert/quantization.
"""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from litert_quantizer.calibrator import CalibrationMode, Calibrator
from litert_quantizer.qtyping import TFLOperationName
from litert_quantizer.quantizer import AlgorithmName, Quantizer
from litert_quantizer.recipe_manager import RecipeManager
from litert_quantizer.utils.qsv_utils import min_max_update

from ...base import progress
from ...base.errors import UserError, first_line
from ...base.process.quiet import quiet_stderr
from ...serving.artifacts import interpreter
from .. import signatures
from . import rounding

_ALL = (".*", TFLOperationName.ALL_SUPPORTED)


def float16(content: bytes) -> bytes:
    """Half-precision weights; computes in float32."""
    quantizer = Quantizer(bytearray(content))
    quantizer.add_weight_only_config(*_ALL, 16, algorithm_key=AlgorithmName.FLOAT_CASTING)
    return _quantized(quantizer)


def dynamic_int8(content: bytes, images: np.ndarray | None) -> bytes:
    """Weights in int8 by channel; activations are quantized as they come, in and out is float.

    Args:
      content: a float32 file, of batch N.
      images: uint8 [n, H, W, C], on which the errors of weights are balanced.
    """
    assert images is not None
    quantizer = Quantizer(bytearray(rounding.balanced(content, images)))
    quantizer.add_dynamic_config(*_ALL, num_bits=8)
    return _quantized(quantizer)


def int8(content: bytes, images: np.ndarray | None, integer_io: bool) -> bytes:
    """Weights and activations in int8.

    Args:
      content: a float32 file, of batch N.
      images: uint8 [n, H, W, C], from which the activations' ranges are taken, and on which the
        errors of weights are balanced; the first are taken again where they do not fill the last
        batch.
      integer_io: whether `images` and `probabilities` are int8 too; `content` must take
        float32 then.
    """
    assert images is not None
    quantizer = Quantizer(bytearray(rounding.balanced(content, images)))
    quantizer.add_static_config(*_ALL, activation_num_bits=8, weight_num_bits=8)
    if not integer_io:
        quantizer.update_quantization_recipe(
            ".*", TFLOperationName.OUTPUT, algorithm_key=AlgorithmName.NO_QUANTIZE
        )
    return _quantized(quantizer, _calibrated(quantizer, content, images))


def _calibrated(quantizer: Quantizer, content: bytes, images: np.ndarray) -> dict[str, Any]:
    """The range of each activation over the images, by the tensor's name."""
    signature = signatures.SERVING_DEFAULT.name
    (detail,) = interpreter(content).get_signature_runner(signature).get_input_details().values()
    batch = int(detail["shape"][0])
    count = -(-len(images) // batch)
    whole = np.resize(images, (count * batch, *images.shape[1:])).astype(detail["dtype"])
    samples = [{"images": part} for part in np.split(whole, count)]
    progress.say(f"taking int8's ranges from {len(images):,} images")
    recipe = RecipeManager()
    recipe.load_quantization_recipe(quantizer.get_quantization_recipe())
    found = _ranges(content, signature, samples, recipe)
    # Pixels have a range of their own, whichever of it these images hold: the scale of an integer
    # input is then 1, and nothing is rounded.
    black_and_white = [{"images": np.full_like(whole[:batch], pixel)} for pixel in (0, 255)]
    of_all = _ranges(content, signature, black_and_white, recipe)
    found.update({name: of_all[name] for name in rounding.pixel_tensors(content) & of_all.keys()})
    return {
        name: {end: np.asarray(value, np.float32) for end, value in of_tensor.items()}
        for name, of_tensor in found.items()
    }


def _ranges(
    content: bytes, signature: str, samples: list[dict[str, np.ndarray]], recipe: RecipeManager
) -> dict[str, Any]:
    """From the least value to the largest, by tensor.

    Left to itself, the quantizer takes those of an average image, and cuts off what is sure of
    itself.
    """
    mode = CalibrationMode.CALIBRATION_PROFILER_BASED  # In native code: 20 times as fast.
    with _quiet():
        calibrator = Calibrator(content, os.cpu_count() or 1, mode, min_max_update)
        calibrator.calibrate({signature: samples}, recipe)
    return calibrator.get_model_qsvs()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back warnings and bars, in notebooks too, whose standard error is not the process's."""
    with (
        quiet_stderr(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _quantized(quantizer: Quantizer, ranges: dict[str, Any] | None = None) -> bytes:
    try:
        with _quiet():
            return bytes(quantizer.quantize(ranges).quantized_model or b"")
    except Exception as error:  # The quantizer raises errors of any kind.
        raise UserError(f"the model cannot be quantized: {first_line(error)}") from error

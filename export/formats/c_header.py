"""The int8 file as a C header, for microcontrollers that have no file system.

TensorFlow Lite for Microcontrollers takes a model as an array. C11 or C++11.
Source: https://ai.google.dev/edge/litert/microcontrollers/build_convert; the operators:
micro_mutable_op_resolver.h of https://github.com/tensorflow/tflite-micro, of August 2026.
"""

import re
from typing import Any

import numpy as np

from ...base.errors import UserError
from ...serving.artifacts import interpreter
from .. import signatures, template
from . import operators

_IN_A_LINE = 16
# What TensorFlow Lite Micro knows.
_OPERATORS = """
    ABS ADD ADD_N ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE
    DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR
    FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF
    L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR
    LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD
    PADV2 PRELU QUANTIZE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE RESIZE_BILINEAR
    RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX
    SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE
    STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNPACK WHILE ZEROS_LIKE
"""


def render(content: bytes, model_name: str, label_names: tuple[str, ...]) -> str:
    """The header's text.

    Args:
      content: the TFLite file, which takes and gives int8.
      model_name: in the names that it defines: `digitline_<model_name>_int8` and so on;
        what C does not take in a name becomes `_`.
      label_names: by class number.

    Raises:
      UserError: TensorFlow Lite Micro lacks an operator of the file.
    """
    unknown = sorted(operators.names(content) - {*_OPERATORS.split()})
    if unknown:
        raise UserError(f"--c_header: TensorFlow Lite Micro has no {', '.join(unknown)}")
    opened = interpreter(content)
    runner = opened.get_signature_runner(signatures.SERVING_DEFAULT.name)
    probabilities = runner.get_output_details()["probabilities"]
    order = [detail["index"] for detail in opened.get_output_details()]
    name = f"digitline_{re.sub(r'[^A-Za-z0-9_]', '_', model_name)}_int8"
    return template.render(
        "c_header.h",
        model_name=model_name,
        name=name,
        prefix=name.upper(),
        images=_tensor(runner.get_input_details()["images"]),
        probabilities=_tensor(probabilities),
        output_index=order.index(probabilities["index"]),
        labels=[_escaped(label) for label in label_names],
        length=len(content),
        rows=[
            ", ".join(f"0x{byte:02x}" for byte in content[start : start + _IN_A_LINE])
            for start in range(0, len(content), _IN_A_LINE)
        ],
    )


def _tensor(detail: dict[str, Any]) -> dict[str, object]:
    """LiteRT's details of a tensor in C's words."""
    scale, zero_point = detail["quantization"]
    return {
        "type": f"{np.dtype(detail['dtype']).name}_t",
        "shape": detail["shape"].tolist(),
        "size": detail["shape"].prod(),
        "scale": np.float32(scale),
        "zero_point": zero_point,
    }


def _escaped(text: str) -> str:
    """For a C string: bytes other than plain letters as three octal digits."""
    plain = set(range(32, 127)) - set(b'"\\?')  # A ? may begin a trigraph.
    return "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode())

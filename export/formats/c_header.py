"""The int8 file as a C header, for microcontrollers that have no file system.

TensorFlow Lite for Microcontrollers takes a model as an array. C11 or C++11.
Source: https://ai.google.dev/edge/litert/microcontrollers/build_convert.
"""

import re
from typing import Any

import numpy as np

from ...serving.artifacts import interpreter
from .. import signatures, template

_IN_A_LINE = 16
_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t", "float32": "float"}


def render(content: bytes, model_name: str, label_names: tuple[str, ...]) -> str:
    """The header's text.

    Args:
      content: the TFLite file.
      model_name: in the names that it defines: `digitline_<model_name>_int8` and so on;
        what C does not take in a name becomes `_`.
      label_names: by class number.
    """
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
        "type": _TYPES[np.dtype(detail["dtype"]).name],
        "shape": detail["shape"].tolist(),
        "size": detail["shape"].prod(),
        "scale": np.float32(scale or 1.0),  # Not quantized: its numbers stand for themselves.
        "zero_point": zero_point,
    }


def _escaped(text: str) -> str:
    """For a C string: bytes other than plain letters as three octal digits."""
    plain = set(range(32, 127)) - set(b'"\\?')  # A ? may begin a trigraph.
    return "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode())

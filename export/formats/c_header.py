"""The int8 file as a C header, for microcontrollers that have no file system.

TensorFlow Lite for Microcontrollers takes a model as an array. C11 or C++11.
Source: https://ai.google.dev/edge/litert/microcontrollers/build_convert.
"""

import math
import re
from typing import Any

import numpy as np

from ...serving import artifacts
from .. import signatures

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
    name = f"digitline_{re.sub(r'[^A-Za-z0-9_]', '_', model_name)}_int8"
    prefix = name.upper()
    align = f"{prefix}_ALIGN"
    return "\n".join(
        [
            f"/* {model_name}, int8: a TFLite file and what its numbers mean, by digitline.",
            " * Include it in one source file: it defines the arrays.",
            " * A number q of a tensor stands for SCALE * (q - ZERO_POINT). */",
            f"#ifndef {prefix}_H_",
            f"#define {prefix}_H_",
            "",
            "#include <stdint.h>",
            "",
            *_tensors(content, prefix),
            f"#define {prefix}_CLASSES {len(label_names)}",
            "",
            "/* The label of each class. */",
            f"const char *const {name}_labels[] = {{",
            *(f'    "{_escaped(label)}",' for label in label_names),
            "};",
            "",
            "#if defined(__cplusplus)",
            f"#define {align} alignas(16)",
            "#elif defined(__GNUC__)",
            f"#define {align} __attribute__((aligned(16)))",
            "#else",
            f"#define {align} _Alignas(16)",
            "#endif",
            "",
            f"const unsigned int {name}_len = {len(content)};",
            f"{align} const unsigned char {name}[] = {{",
            *_bytes(content),
            "};",
            "",
            f"#undef {align}",
            f"#endif /* {prefix}_H_ */",
            "",
        ]
    )


def _tensors(content: bytes, prefix: str) -> list[str]:
    """Macros of the images that go in and of the probabilities that come out."""
    interpreter = artifacts.interpreter(content)
    runner = interpreter.get_signature_runner(signatures.SERVING_DEFAULT.name)
    images = runner.get_input_details()["images"]
    probabilities = runner.get_output_details()["probabilities"]
    order = [each["index"] for each in interpreter.get_output_details()]
    return [
        "/* Images: row by row, batch, height, width, channels. */",
        *_tensor(f"{prefix}_INPUT", images),
        "",
        "/* Probabilities: the output number INDEX, one for each class. */",
        f"#define {prefix}_OUTPUT_INDEX {order.index(probabilities['index'])}",
        *_tensor(f"{prefix}_OUTPUT", probabilities),
    ]


def _tensor(prefix: str, detail: dict[str, Any]) -> list[str]:
    shape = [int(size) for size in detail["shape"]]
    scale, zero_point = detail["quantization"]
    scale = scale or 1.0  # It is not quantized: its numbers stand for themselves.
    return [
        f"#define {prefix}_TYPE {_TYPES[np.dtype(detail['dtype']).name]}",
        f"#define {prefix}_RANK {len(shape)}",
        f"#define {prefix}_SHAPE {{{', '.join(map(str, shape))}}}",
        f"#define {prefix}_SIZE {math.prod(shape)}",
        f"#define {prefix}_SCALE {np.float32(scale)!s}f",
        f"#define {prefix}_ZERO_POINT ({zero_point})",
    ]


def _bytes(content: bytes) -> list[str]:
    starts = range(0, len(content), _IN_A_LINE)
    rows = [content[at : at + _IN_A_LINE] for at in starts]
    return [f"    {', '.join(f'0x{each:02x}' for each in row)}," for row in rows]


def _escaped(text: str) -> str:
    """In a C string: bytes that are no plain letters in octal, which ends after three digits."""
    plain = set(range(32, 127)) - set(b'"\\?')  # A ? may begin a trigraph.
    return "".join(chr(each) if each in plain else f"\\{each:03o}" for each in text.encode())

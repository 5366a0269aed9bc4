"""A TFLite file's integers and metadata, and the C header that is made of it."""

import re
from typing import Any

import numpy as np

from .....base import export_layout
from .....base.errors import VerificationError
from ....options import VARIANTS
from ...reference import Reference
from ...staged import Staged
from .tflite_metadata import Metadata

# Scale and zero point of what a file with integers in and out takes, and of what it gives.
_PIXELS, _PROBABILITIES = (1.0, -128), (1 / 256, -128)


def require_integers(staged: Staged, reference: Reference) -> None:
    """Refuses a file with int8 in and out whose integers stand for something else.

    Raises:
      VerificationError: names scale and zero point.
    """
    (signature,) = staged.artifact.signatures
    if signature.input.dtype != "int8":
        return
    tensors = zip(("images", "probabilities"), _tensors(staged.path.read_bytes()), strict=True)
    for (name, tensor), expected in zip(tensors, (_PIXELS, _PROBABILITIES), strict=True):
        scale, zero = tensor["quantization"]
        if (scale, zero) != expected:
            raise VerificationError(
                f"{staged.artifact.title}, {signature.name}: its {name} have the scale {scale:.6g} "
                f"and the zero point {zero}, expected {expected[0]:.6g} and {expected[1]}; nothing "
                "was published"
            )


def require_header(staged: Staged, reference: Reference) -> None:
    """Holds the C header against the file that it is made of: each byte, number and label.

    Raises:
      VerificationError: names what differs.
    """
    path = staged.folder / export_layout.C_HEADER_FILE
    if not staged.options.c_header or staged.artifact.name != "tflite_int8":
        return
    text = path.read_text(encoding="ascii")
    name = f"digitline_{re.sub('[^A-Za-z0-9_]', '_', reference.trained.name)}_int8"
    defined = dict(
        re.findall(r"^#define \w+_(CLASSES|(?:INPUT|OUTPUT)_[A-Z_]+?) (.+)$", text, re.M)
    )
    label_lines = re.search(r"_labels\[\] = \{\n(.*?)\n\};", text, re.S)
    array = re.search(r"_int8\[\] = \{\n(.*?)\n\};", text, re.S)
    length = re.search(r"_len = (\d+);", text)
    content = staged.path.read_bytes()
    written = bytes(int(number, 16) for number in re.findall(r"0x\w\w", array[1] if array else ""))
    labels = re.findall(r'^ *"(.*)",$', label_lines[1] if label_lines else "", re.M)
    names = set(re.findall(r"\bdigitline_\w+?(?=_labels\b|_len\b|\[\])", text))
    facts = {
        "names": (names, {name}),
        "alignment": (text.count(f"{name.upper()}_ALIGN const unsigned char"), 1),
        "macros": (
            {word[: len(name)] for word in re.findall(r"^#(?:define|undef) (\w+)", text, re.M)},
            {name.upper()},
        ),
        "array": (written == content, True),
        "length": (length and int(length[1]), len(content)),
        "labels": (tuple(map(_unescaped, labels)), reference.trained.label_names),
        "OUTPUT_INDEX": (defined.get("OUTPUT_INDEX"), str(_output_index(content))),
        "classes": (defined.get("CLASSES"), str(len(reference.trained.label_names))),
        **{
            name: (defined.get(name), value)
            for kind, tensor in zip(("INPUT", "OUTPUT"), _tensors(content), strict=True)
            for name, value in _defines(kind, tensor).items()
        },
    }
    for name, (found, expected) in facts.items():
        if found != expected:
            raise VerificationError(
                f"{path.name}: its {name} is {found}, that of {staged.path.name} {expected}; "
                "nothing was published"
            )


def _tensors(content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """LiteRT's details of the input and of the probabilities."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_content=content).get_signature_runner()
    (image,) = runner.get_input_details().values()
    return image, runner.get_output_details()["probabilities"]


def _output_index(content: bytes) -> int:
    """The place of the probabilities among the outputs of the file's graph."""
    from ai_edge_litert.interpreter import Interpreter

    opened = Interpreter(model_content=content)
    index = opened.get_signature_runner().get_output_details()["probabilities"]["index"]
    return [detail["index"] for detail in opened.get_output_details()].index(index)


def _defines(kind: str, tensor: dict[str, Any]) -> dict[str, str]:
    scale, zero_point = tensor["quantization"]
    shape = tensor["shape"].tolist()
    types = {"int8": "int8_t", "uint8": "uint8_t", "float32": "float"}
    return {
        f"{kind}_TYPE": types[np.dtype(tensor["dtype"]).name],
        f"{kind}_RANK": str(len(shape)),
        f"{kind}_SHAPE": "{" + ", ".join(map(str, shape)) + "}",
        f"{kind}_SIZE": str(int(np.prod(shape))),
        f"{kind}_SCALE": f"{np.float32(scale or 1.0)}f",
        f"{kind}_ZERO_POINT": f"({zero_point})",
    }


def _unescaped(text: str) -> str:
    codes = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)
    return codes.encode("latin-1").decode()


def require_metadata(staged: Staged, reference: Reference) -> None:
    """Reads TFLite's metadata: how pixels become the input, and where the labels are.

    Raises:
      VerificationError: names what is otherwise.
    """
    content = staged.path.read_bytes()
    found = Metadata.of(content)
    (signature,) = staged.artifact.signatures
    channels = 3 if signature.input.shape[-1] == "3" else reference.trained.image_shape[2]
    takes_bytes = signature.input.dtype == "uint8"
    (variant,) = (each for each in VARIANTS.values() if each.file == staged.artifact.path)
    size = "x".join(map(str, reference.trained.image_shape))
    classes = len(reference.trained.label_names)
    expected = Metadata(
        words=f"Raw {size} images to {classes} classes; {variant.meaning}",
        inputs=(signature.input.name,),
        # (pixel - mean) / std, before a runtime makes int8 of it: pixels go in as they are.
        normalization=None if takes_bytes else ((0.0,), (1.0,)),
        colours="RGB" if channels == 3 else "grey",
        outputs=tuple(sorted(tensor.name for tensor in signature.outputs)),
        labels_of="probabilities",
        labels_file=export_layout.LABELS,
    )
    if found != expected:
        raise VerificationError(
            f"{staged.artifact.title}: its metadata say {found}, expected {expected}; nothing was "
            "published"
        )

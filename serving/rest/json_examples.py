"""`tf.Example`s of classify and regress requests, by the rules of TF Serving's REST interface.

An example is an object of features: a value or a flat list of integers (or booleans),
of decimal numbers, or of strings (or `{"b64": …}`).
"""

from typing import Any

from ...base.tf import tf
from ..core.status import StatusError, invalid
from .json_errors import FLOAT, is_base64, is_lossless, lossy, unpack_base64
from .json_text import shown, type_name


def read(document: dict[str, Any]) -> list[bytes]:
    """The serialized examples of a request, each with the features of the common `context`.

    Args:
      document: the parsed body.

    Raises:
      StatusError: INVALID_ARGUMENT in TF Serving's words.
    """
    # Serialized messages that follow one another are one merged message.
    context = _example(document["context"]) if "context" in document else b""
    if "examples" not in document:
        raise invalid(
            f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected "
            "and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise invalid(
            f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array"
        )
    if not examples:
        raise invalid(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    return [context + _example(each) for each in examples]


def _example(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = tf.train.Example()
    for name, content in value.items():
        _fill(example.features.feature[name], name, content)
    return example.SerializeToString()


def _fill(feature: Any, name: str, content: Any) -> None:
    values = content if isinstance(content, list) else [content]
    kind = None
    converted = []
    for value in values:
        found, element = _element(name, value)
        if kind not in (None, found):
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {kind}")
        kind = found
        if isinstance(element, StatusError):  # TF Serving looks at the type first.
            raise element
        converted.append(element)
    if kind is not None:
        getattr(feature, f"{kind}_list").value.extend(converted)


def _element(name: str, value: Any) -> tuple[str, Any]:
    """The kind of list that a value belongs in, and how it stands there or what is wrong."""
    if isinstance(value, str):
        return "bytes", value.encode()
    if is_base64(value):
        data = unpack_base64(value["b64"])
        return "bytes", invalid("Unable to base64 decode") if data is None else data
    if isinstance(value, float):
        fits = is_lossless(value, FLOAT)
        return "float", value if fits else invalid(lossy(value, "float"))
    if isinstance(value, int):
        fits = value < 2**63
        wrong = f"Feature: {name} has uint64 element. Only int64 is supported."
        return "int64", int(value) if fits else invalid(wrong)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")

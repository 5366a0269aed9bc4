"""`tf.Example`s of classify and regress requests, by the rules of TF Serving's REST interface.

An example is an object of features: a value or a flat list of integers (or booleans),
of decimal numbers, or of strings (or `{"b64": …}`).
"""

from typing import Any

from ...base.tf import tf
from ..protocol.status import StatusError, invalid
from .json_errors import FLOAT, is_base64, is_lossless, lossy, unpack_base64
from .json_shown import shown, type_name
from .json_tensors import encoded
from .limits import Effort


def read(document: dict[str, Any], effort: Effort | None = None) -> list[bytes]:
    """The serialized examples of a request, each with the features of the common `context`.

    Args:
      document: the parsed body.
      effort: what it may take; None for no limit.

    Raises:
      StatusError: INVALID_ARGUMENT in TF Serving's words; or as of `effort`.
      ElsewhereError: of `effort`.
    """
    effort = effort or Effort()
    # Serialized messages that follow one another are one merged message.
    context = _example(document["context"], effort) if "context" in document else b""
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
    return [context + _example(each, effort) for each in examples]


def _example(value: Any, effort: Effort) -> bytes:
    effort.tick(2)
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = tf.train.Example()
    for name, content in value.items():
        effort.tick()
        try:
            feature = example.features.feature[name]
        except UnicodeEncodeError:
            raise invalid(f"Feature: {name} has a name that is not UTF-8") from None
        _fill(feature, name, content, effort)
    return example.SerializeToString()


def _fill(feature: Any, name: str, content: Any, effort: Effort) -> None:
    values = content if isinstance(content, list) else [content]
    kind = None
    converted = []
    for value in values:
        effort.tick()
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
        return "bytes", encoded(value)
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

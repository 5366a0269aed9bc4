"""`tf.Example`s of classify and regress requests, by the rules of TF Serving's REST interface.

An example is an object of features: a value or a flat list of integers (or booleans),
of decimal numbers, or of strings (or `{"b64": …}`).
"""

from ..bounds.limits import Effort
from ..protocol import messages
from ..protocol.examples import merged
from ..protocol.status import StatusError, invalid
from .json_errors import FLOAT, is_base64, is_lossless, lossy, unpack_base64
from .json_tensors import encoded
from .json_text import Json, JsonObject, shown, type_name


def read(document: JsonObject, max_bytes: int, effort: Effort) -> list[bytes]:
    """The serialized examples of a request, each with the features of the common `context`.

    Args:
      document: the parsed body.
      max_bytes: that the context may take in all examples together.
      effort: what it may take.

    Raises:
      StatusError: INVALID_ARGUMENT in TF Serving's words; or as of `effort`.
      ElsewhereError: of `effort`.
    """
    context = _example(document["context"], effort) if "context" in document else b""
    examples = document.get("examples")
    if isinstance(examples, list) and examples:
        return merged([_example(value, effort) for value in examples], context, max_bytes)
    if "examples" not in document:
        problem = "When method is classify, key 'examples' is expected and was not found"
    elif not isinstance(examples, list):
        problem = "Expecting 'examples' value to be an list/array"
    else:
        problem = "'examples' value is an empty array"
    raise invalid(f"JSON Value: {shown(document)} {problem}")


def _example(value: Json, effort: Effort) -> bytes:
    effort.tick(2)
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = messages.Example()
    for name, content in value.items():
        effort.tick()
        try:
            feature = example.features.feature[name]
        except UnicodeEncodeError:
            raise invalid(f"Feature: {name} has a name that is not UTF-8") from None
        _fill(feature, name, content if isinstance(content, list) else [content], effort)
    return example.SerializeToString()


def _fill(feature: messages.Feature, name: str, values: list[Json], effort: Effort) -> None:
    kind = None
    converted = []
    for value in values:
        effort.tick()
        element_kind, element = _element(name, value)
        if kind not in (None, element_kind):
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {kind}")
        kind = element_kind
        if isinstance(element, StatusError):  # TF Serving looks at the type first.
            raise element
        converted.append(element)
    if kind is not None:
        getattr(feature, f"{kind}_list").value.extend(converted)


def _element(name: str, value: Json) -> tuple[str, bytes | float | StatusError]:
    """The kind of list that a value belongs in, and how it stands there or what is wrong."""
    if isinstance(value, str):
        return "bytes", encoded(value)
    if is_base64(value):
        unpacked = unpack_base64(value)
        return "bytes", invalid("Unable to base64 decode") if unpacked is None else unpacked
    if isinstance(value, float):
        return "float", value if is_lossless(value, FLOAT) else lossy(value, "float")
    if isinstance(value, int):
        if value < 2**63:
            return "int64", int(value)
        return "int64", invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")

"""The `tf.Example`s of Classify, Regress and MultiInference requests, serialized."""

from collections.abc import Sequence

from . import messages
from .status import invalid


def merged(examples: Sequence[bytes], context: bytes, max_bytes: int) -> list[bytes]:
    """Each example with the features of the common context, where it has none of that name.

    Args:
      examples: serialized.
      context: a serialized example; may be empty.
      max_bytes: that all copies of the context may take: a small request can state many.

    Raises:
      StatusError: INVALID_ARGUMENT: they take more.
    """
    if len(context) * len(examples) > max_bytes:
        raise invalid(
            f"The context in each of {len(examples)} examples makes more than {max_bytes} bytes"
        )
    # Of two serialized messages in a row a parser makes the merged one.
    return [context + example for example in examples]


def serialized(request_input: messages.Input, max_bytes: int = 2**31) -> list[bytes]:
    """The examples of a request.

    Args:
      request_input: the message.
      max_bytes: as of `merged`.

    Raises:
      StatusError: INVALID_ARGUMENT: there are none, or as of `merged`.
    """
    kind = request_input.WhichOneof("kind")
    if kind == "example_list":
        return [example.SerializeToString() for example in request_input.example_list.examples]
    if kind != "example_list_with_context":
        raise invalid("Input is empty.")
    listed = request_input.example_list_with_context
    examples = [example.SerializeToString() for example in listed.examples]
    return merged(examples, listed.context.SerializeToString(), max_bytes)

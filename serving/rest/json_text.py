"""JSON bodies read as TF Serving's parser (RapidJSON) reads them.

orjson reads what is plain JSON. What it refuses is read again by a reader of our own,
`json_reader`. Two differences to RapidJSON stay: of a name that an object holds twice
the last value counts (the first there), and the depth has a limit.
"""

from typing import Any

import orjson

from ..protocol.status import invalid
from . import json_reader
from .limits import Effort

_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")
_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))


def parse(body: bytes, max_depth: int, effort: Effort | None = None) -> Any:
    """The value that a body holds: `dict`, `list`, `str`, `int` (64 bits), `float`, `bool`, None.

    Args:
      body: UTF-8; bytes in strings that are not are read as surrogate escapes (PEP 383).
      max_depth: of lists and objects in one another.
      effort: what it may take; None for no limit.

    Raises:
      StatusError: INVALID_ARGUMENT "JSON Parse error: …", or as of `effort`.
      ElsewhereError: of `effort`.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    effort = effort or Effort()
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return json_reader.read(body, max_depth, effort)
    if _depth(body, max_depth) > max_depth:
        return json_reader.read(body, max_depth, effort)  # Which finds where.
    return value


def _depth(body: bytes, limit: int) -> int:
    """How deep the brackets of valid JSON are nested; more than `limit` if they are deeper.

    Each round takes the innermost brackets away, all at once: far quicker than a walk.
    """
    if b"\\" in body:  # Quotes that end no string; first what would escape the backslash.
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = body.translate(None, _NO_MARKS)
    brackets = b"".join(marks.split(b'"')[::2]).translate(_ONE_KIND_OF_BRACKET)
    depth = 0
    while brackets and depth <= limit:
        brackets = brackets.replace(b"[]", b"")
        depth += 1
    return depth

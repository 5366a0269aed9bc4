"""JSON bodies as TF Serving reads them, and JSON values as its errors show them.

orjson reads plain JSON. What it refuses goes to Python's own parser, which takes the bare
`NaN` and `Infinity`, and strings that are not UTF-8. Its errors are told in the words of
RapidJSON, TF Serving's parser. Of a name that an object holds twice the last value counts
(RapidJSON: the first), and the depth has a limit.
"""

import json
import math
import re
from typing import TypeAlias

import numpy as np
import orjson

from ..bounds.limits import Effort
from ..protocol.status import StatusError, invalid

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]

_BOM = b"\xef\xbb\xbf"
_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_EXPONENT = re.compile(r"[eE][+-]?")
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
# How the messages of Python's parser begin, and what RapidJSON says there.
_WORDS = {
    "Expecting value": "Invalid value.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting property name": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':'": "Missing a colon after a name of object member.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character": "Invalid encoding in string.",
    "Extra data": "The document root must not be followed by other values.",
}


def parse(body: bytes, max_depth: int, effort: Effort) -> Json:
    """The value that a body holds; integers have up to 64 bits.

    Args:
      body: UTF-8; bytes in strings that are not are read as surrogate escapes (PEP 383).
      max_depth: of lists and objects in one another.
      effort: what it may take.

    Raises:
      StatusError: INVALID_ARGUMENT "JSON Parse error: …", or as of `effort`.
      ElsewhereError: of `effort`.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    body = body.removeprefix(_BOM)
    if _is_deeper(body, max_depth):
        raise invalid(f"JSON Parse error: Nested deeper than {max_depth} levels.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parse_leniently(body, effort)


def as_object(document: Json) -> JsonObject:
    """The document itself; raises StatusError: INVALID_ARGUMENT: it is not an object."""
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def _brackets(body: bytes) -> bytes:
    """The brackets and braces that stand outside strings."""
    if b"\\" in body:  # Quotes that end no string; first what would escape the backslash.
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.translate(None, _NO_MARKS).split(b'"')[::2])


def _is_deeper(body: bytes, limit: int) -> bool:
    """Whether more than `limit` lists and objects are nested in one another."""
    if body.count(b"[") + body.count(b"{") <= limit:
        return False
    brackets, depth = _brackets(body).translate(_ONE_KIND), 0
    while brackets and depth <= limit:  # Each round takes all innermost pairs away: quick.
        rest = brackets.replace(b"[]", b"")
        if len(rest) == len(brackets):  # Not valid JSON: what is left has no partner.
            return depth + rest.count(b"[") > limit
        brackets, depth = rest, depth + 1
    return depth > limit


def _parse_leniently(body: bytes, effort: Effort) -> Json:
    text = body.decode("utf-8", "surrogateescape")
    effort.tick(len(body) >> 7)

    def number(digits: str) -> float:
        effort.tick()
        is_integer = digits.lstrip("-").isdigit()
        if is_integer and len(digits) <= 20 and -(2**63) <= int(digits) < 2**64:
            return int(digits)
        if math.isinf(value := float(digits)):
            offset = len(text[: text.index(digits)].encode("utf-8", "surrogateescape"))
            raise _error("Number too big to be stored in double.", offset)
        return value

    try:
        value = json.loads(text, parse_int=number, parse_float=number)
    except json.JSONDecodeError as error:
        raise _translated(error) from None
    # Escapes of half a character; first what only looks like one.
    escapes = _PAIR.sub(b"_" * 12, body.replace(rb"\\", b"__"))
    if half := _SURROGATE.search(escapes):
        raise _error("The surrogate pair in string is invalid.", half.start())
    return value


def _translated(error: json.JSONDecodeError) -> StatusError:
    """An error of Python's parser in RapidJSON's words, with its offset in bytes."""
    text, at = error.doc, error.pos
    words = next((words for start, words in _WORDS.items() if error.msg.startswith(start)), "")
    follows_number = text[at - 1 : at].isdigit()
    if not text.strip():
        words, at = "The document is empty.", len(text)
    elif follows_number and text[at : at + 1] == ".":
        words, at = "Miss fraction part in number.", at + 1
    elif follows_number and (exponent := _EXPONENT.match(text, at)):
        words, at = "Miss exponent in number.", exponent.end()
    elif error.msg.startswith("Expecting ','"):
        is_list = _innermost(text[:at]) == b"["
        where = "] after an array element" if is_list else "} after an object member"
        words = f"Missing a comma or {where}."
    elif error.msg.startswith("Unterminated"):
        at = len(text)
    elif error.msg.startswith("Invalid \\"):
        at = text.rindex("\\", 0, at + 1)
    elif error.msg.startswith("Illegal trailing comma"):
        at += 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip())
    elif error.msg.startswith("Expecting value"):
        at += _matched(text[at : at + 5])
    return _error(words, len(text[:at].encode("utf-8", "surrogateescape")))


def _innermost(text: str) -> bytes:
    """The last bracket that is still open at the end of a text."""
    brackets, before = _brackets(text.encode("utf-8", "surrogateescape")), b""
    while brackets != before:
        before, brackets = brackets, brackets.replace(b"[]", b"").replace(b"{}", b"")
    return brackets[-1:]


def _matched(token: str) -> int:
    """How many characters of a wrong token still agree with a right one."""
    words = ("true", "false", "null", "-")
    starts = (word[:length] for word in words for length in range(len(word) + 1))
    return max(len(start) for start in starts if token.startswith(start))


def _error(words: str, offset: int) -> StatusError:
    return invalid(f"JSON Parse error: {words} at offset: {offset}")


def type_name(value: Json) -> str:
    """RapidJSON's name for a value's type."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    names = {dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def shown(value: Json, limit: int = 1000) -> str:
    """A value in an error's text: indented JSON, cut after `limit` characters."""
    if isinstance(value, float):
        return _decimal(value)
    text = ""
    for piece in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
        text += piece[: limit + 1]
        if len(text) > limit:
            return text[:limit] + "…"
    return text


def _decimal(value: float) -> str:
    """A number as TF Serving writes it: six digits, or all where six do not state it."""
    if not math.isfinite(value):
        return json.dumps(value)
    fits = abs(value) <= _LARGEST_FLOAT
    text = f"{value:.6g}"
    if fits and np.float32(text) != np.float32(value):
        text = f"{np.float32(value):.9g}"
    elif not fits and float(text) != value:
        text = f"{value:.17g}"
    return text if "." in text or "e" in text else text + ".0"

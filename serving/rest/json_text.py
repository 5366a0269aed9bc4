"""JSON bodies read, and JSON values shown in errors, as TF Serving's parser (RapidJSON) does.

orjson reads what is plain JSON. What it refuses is read again by a reader of our own,
which takes the bare `NaN` and `Infinity` that TF Serving takes, and otherwise states the
error in RapidJSON's words with its offset.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from ..core.status import StatusError, invalid

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(rb"(-?)(NaN|Inf(?:inity)?)")
_STRING = re.compile(
    rb'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"', re.DOTALL
)
_QUOTED = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# A list of numbers that the standard library reads as RapidJSON does: short enough to be
# neither too big for a double nor an integer of more than 64 bits.
_PLAIN = rb"-?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?|Infinity)|NaN"
_PLAIN_LIST = re.compile(rb"\[\s*(?:%b)\s*(?:,\s*(?:%b)\s*)*\]" % (_PLAIN, _PLAIN))
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_LITERALS = {b"t": (b"true", True), b"f": (b"false", False), b"n": (b"null", None)}

_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(body: bytes, max_depth: int) -> Any:
    """The value that a body holds: `dict`, `list`, `str`, `int` (64 bits), `float`, `bool`, None.

    Args:
      body: UTF-8.
      max_depth: of lists and objects in one another.

    Raises:
      StatusError: INVALID_ARGUMENT "JSON Parse error: …".
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read(body, max_depth)
    if _depth(body, max_depth) > max_depth:
        return _read(body, max_depth)  # Which finds where.
    return value


def _depth(body: bytes, limit: int) -> int:
    """How deep the brackets of valid JSON are nested; more than `limit` if they are deeper.

    Each round takes the innermost brackets away, all at once: far quicker than a walk.
    """
    quoted = _QUOTED.sub(b"", body) if b"\\" in body else b"".join(body.split(b'"')[::2])
    brackets = quoted.translate(_ONE_KIND_OF_BRACKET, _NO_BRACKETS)
    depth = 0
    while brackets and depth <= limit:
        brackets = brackets.replace(b"[]", b"")
        depth += 1
    return depth


def _read(text: bytes, max_depth: int) -> Any:
    """Reads a document without recursion."""
    at = _skip(text, len(_BOM) if text.startswith(_BOM) else 0)
    if at == len(text):
        raise _error("The document is empty.", at)
    open_values: list[Any] = []  # The lists and objects around, and
    names: list[str] = []  # of each object the name whose value comes.
    while True:
        at = _skip(text, at)
        char = text[at : at + 1]
        plain = _PLAIN_LIST.match(text, at) if char == b"[" else None
        if char in (b"[", b"{") and len(open_values) == max_depth:
            raise _error(f"Nested deeper than {max_depth} levels.", at)
        if plain:
            value, at = json.loads(plain.group()), plain.end()
        elif char == b"[":
            at = _skip(text, at + 1)
            if text[at : at + 1] != b"]":
                open_values.append([])
                continue
            value, at = [], at + 1
        elif char == b"{":
            at = _skip(text, at + 1)
            if text[at : at + 1] != b"}":
                name, at = _name(text, at)
                open_values.append({})
                names.append(name)
                continue
            value, at = {}, at + 1
        else:
            value, at = _scalar(text, at)
        while open_values:  # The value is whole: where does it go, and what follows?
            at = _skip(text, at)
            char, around = text[at : at + 1], open_values[-1]
            if isinstance(around, list):
                around.append(value)
                if char not in (b",", b"]"):
                    raise _error("Missing a comma or ] after an array element.", at)
            else:
                around[names.pop()] = value
                if char not in (b",", b"}"):
                    raise _error("Missing a comma or } after an object member.", at)
            at += 1
            if char != b",":
                value = open_values.pop()
                continue
            if isinstance(around, dict):
                name, at = _name(text, _skip(text, at))
                names.append(name)
            break
        else:
            at = _skip(text, at)
            if at < len(text):
                raise _error("The document root must not be followed by other values.", at)
            return value


def _skip(text: bytes, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _name(text: bytes, at: int) -> tuple[str, int]:
    if text[at : at + 1] != b'"':
        raise _error("Missing a name for object member.", at)
    name, at = _string(text, at)
    at = _skip(text, at)
    if text[at : at + 1] != b":":
        raise _error("Missing a colon after a name of object member.", at)
    return name, at + 1


def _scalar(text: bytes, at: int) -> tuple[Any, int]:
    char = text[at : at + 1]
    if char == b'"':
        return _string(text, at)
    if char in _LITERALS:
        word, value = _LITERALS[char]
        for count, letter in enumerate(word):
            if text[at + count : at + count + 1] != bytes([letter]):
                raise _error("Invalid value.", at + count)
        return value, at + len(word)
    if match := _NOT_FINITE.match(text, at):
        return float(match.group().decode()), match.end()
    match = _NUMBER.match(text, at)
    if match is None:
        raise _error("Invalid value.", at + (char == b"-"))
    end, follows = match.end(), text[match.end() : match.end() + 1]
    if follows == b"." and not match[1] and not match[2]:
        raise _error("Miss fraction part in number.", end + 1)
    if follows in (b"e", b"E") and not match[2]:
        signed = text[end + 1 : end + 2] in (b"+", b"-")
        raise _error("Miss exponent in number.", end + 1 + signed)
    if match[1] or match[2] or end - at > 20:
        return _float(match.group(), at), end
    number = int(match.group())
    if not -(2**63) <= number < 2**64:
        return float(number), end
    return number, end


def _float(digits: bytes, at: int) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _error("Number too big to be stored in double.", at)
    return number


def _string(text: bytes, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise _string_error(text, at + 1)
    raw = match.group()
    try:
        value = raw[1:-1].decode()
    except UnicodeDecodeError as error:
        raise _error("Invalid encoding in string.", at + 1 + error.start) from None
    if b"\\" in raw:
        value = json.loads(raw)
        try:
            value.encode()
        except UnicodeEncodeError:
            found = _SURROGATE.search(raw)
            where = at + (found.start() if found else 0)
            raise _error("The surrogate pair in string is invalid.", where) from None
    return value, match.end()


_PIECE = re.compile(rb'[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')


def _string_error(text: bytes, at: int) -> StatusError:
    """Why no string ends well that begins before `at`."""
    while match := _PIECE.match(text, at):
        at = match.end()
    if at == len(text) or text[at] == 0:
        return _error("Missing a closing quotation mark in string.", at)
    if text[at : at + 1] != b"\\":
        return _error("Invalid encoding in string.", at)
    if text[at + 1 : at + 2] == b"u":
        return _error("Incorrect hex digit after \\u escape in string.", at)
    return _error("Invalid escape character in string.", at)


def _error(words: str, offset: int) -> StatusError:
    return invalid(f"JSON Parse error: {words} at offset: {offset}")


def type_name(value: Any) -> str:
    """What RapidJSON calls a value's type."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    names = {dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")


def shown(value: Any, limit: int = 1000) -> str:
    """A value in an error's text: indented JSON, cut after `limit` characters."""
    if isinstance(value, float):
        return decimal(value)
    text = ""
    for piece in _pretty(value, "\n"):
        text += piece[: limit + 1]
        if len(text) > limit:
            return text[:limit] + "…"
    return text


def _pretty(value: Any, line: str) -> Iterator[str]:
    if isinstance(value, float):
        yield repr(value) if np.isfinite(value) else decimal(value)
    elif not value or not isinstance(value, list | dict):
        yield orjson.dumps(value).decode()
    else:
        inner = line + "    "
        items = value.items() if isinstance(value, dict) else enumerate(value)
        yield "{" if isinstance(value, dict) else "["
        for count, (name, item) in enumerate(items):
            yield "," + inner if count else inner
            if isinstance(value, dict):
                yield orjson.dumps(name).decode() + ": "
            yield from _pretty(item, inner)
        yield line + ("}" if isinstance(value, dict) else "]")


def decimal(value: float) -> str:
    """A number as TF Serving writes it: six digits, or all where six do not say it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    fits = abs(value) <= _LARGEST_FLOAT
    text = f"{value:.6g}"
    if fits and np.float32(text) != np.float32(value):
        text = f"{np.float32(value):.9g}"
    elif not fits and float(text) != value:
        text = f"{value:.17g}"
    return text if "." in text or "e" in text else text + ".0"

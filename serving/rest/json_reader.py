"""A reader of JSON in RapidJSON's ways, for what orjson does not take.

It takes the bare `NaN` and `Infinity`, and strings of any bytes, as TF Serving does, and
states an error in RapidJSON's words with its offset. No recursion, and no expression of
its own has to try a long text as a whole: `re` keeps a state for each round of a group.
"""

import json
import re
from typing import Any

from ..protocol.status import StatusError, invalid
from .limits import Effort

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(rb"(-?)(NaN|Inf(?:inity)?)")
_CHARACTERS = re.compile(
    rb'[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*){0,500}'
)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Numbers that the standard library reads as RapidJSON does: short enough to be neither
# too big for a double nor an integer of more than 64 bits.
_PLAIN = (
    rb"[ \t\n\r]*(?:"
    rb"-?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?|Infinity)|NaN"
    rb")[ \t\n\r]*"
)
_PLAIN_ITEMS = re.compile(rb"(?:%b,){1,500}" % _PLAIN)
_SHORT_LIST = re.compile(rb"\[%b(?:,%b){0,63}\]" % (_PLAIN, _PLAIN))
_LITERALS = {b"t": (b"true", True), b"f": (b"false", False), b"n": (b"null", None)}
_END = (b"", b"\0")  # RapidJSON takes a zero byte for the end.


def read(text: bytes, max_depth: int, effort: Effort) -> Any:
    """Reads a document; arguments and errors as of `json_text.parse`."""
    at = _skip(text, len(_BOM) if text.startswith(_BOM) else 0)
    if text[at : at + 1] in _END:
        raise _error("The document is empty.", at)
    open_values: list[Any] = []  # The lists and objects around, and
    names: list[str] = []  # of each object the name whose value comes.
    while True:
        effort.tick()
        if open_values and isinstance(open_values[-1], list):
            while items := _PLAIN_ITEMS.match(text, at):
                found = json.loads(b"[%b]" % items.group()[:-1])
                open_values[-1].extend(found)
                effort.tick(len(found) >> 4)
                at = items.end()
        at = _skip(text, at)
        char = text[at : at + 1]
        if char in (b"[", b"{") and len(open_values) == max_depth:
            raise _error(f"Nested deeper than {max_depth} levels.", at)
        if char == b"[" and (short := _SHORT_LIST.match(text, at)):
            value, at = json.loads(short.group()), short.end()
        elif char == b"[":
            at = _skip(text, at + 1)
            if text[at : at + 1] != b"]":
                open_values.append([])
                continue
            value, at = [], at + 1
        elif char == b"{":
            at = _skip(text, at + 1)
            if text[at : at + 1] != b"}":
                name, at = _name(text, at, effort)
                open_values.append({})
                names.append(name)
                continue
            value, at = {}, at + 1
        else:
            value, at = _scalar(text, at, effort)
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
                name, at = _name(text, _skip(text, at), effort)
                names.append(name)
            break
        else:
            at = _skip(text, at)
            if text[at : at + 1] not in _END:
                raise _error("The document root must not be followed by other values.", at)
            return value


def _skip(text: bytes, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _name(text: bytes, at: int, effort: Effort) -> tuple[str, int]:
    if text[at : at + 1] != b'"':
        raise _error("Missing a name for object member.", at)
    name, at = _string(text, at, effort)
    at = _skip(text, at)
    if text[at : at + 1] != b":":
        raise _error("Missing a colon after a name of object member.", at)
    return name, at + 1


def _scalar(text: bytes, at: int, effort: Effort) -> tuple[Any, int]:
    char = text[at : at + 1]
    if char == b'"':
        return _string(text, at, effort)
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


def _string(text: bytes, start: int, effort: Effort) -> tuple[str, int]:
    at, before = start + 1, -1
    while at != before:
        before = at
        if match := _CHARACTERS.match(text, at):
            at = match.end()
        effort.tick((at - before) >> 7)
    if text[at : at + 1] != b'"':
        raise _string_error(text, at)
    end = at + 1
    raw = text[start:end]
    value = raw[1:-1].decode("utf-8", "surrogateescape")
    if b"\\" in raw:
        value = json.loads(f'"{value}"')
        try:  # Without the bytes that are not UTF-8, for they are surrogates too.
            json.loads(raw.decode("utf-8", "replace")).encode()
        except UnicodeEncodeError:
            found = _SURROGATE.search(raw)
            where = start + (found.start() if found else 0)
            raise _error("The surrogate pair in string is invalid.", where) from None
    return value, end


def _string_error(text: bytes, at: int) -> StatusError:
    """Why no string goes on here."""
    if text[at : at + 1] in _END:
        return _error("Missing a closing quotation mark in string.", at)
    if text[at : at + 1] != b"\\":
        return _error("Invalid encoding in string.", at)
    if text[at + 1 : at + 2] == b"u":
        return _error("Incorrect hex digit after \\u escape in string.", at)
    return _error("Invalid escape character in string.", at)


def _error(words: str, offset: int) -> StatusError:
    return invalid(f"JSON Parse error: {words} at offset: {offset}")

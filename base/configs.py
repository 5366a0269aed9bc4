"""Dataclasses as JSON holds them, and back.

`to_config` and `from_config` are each other's inverse for frozen dataclasses of numbers, words,
tuples, and dataclasses in turn:

    recipe == from_config(Recipe, to_config(recipe))
"""

import dataclasses
import json
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from .errors import DataError
from .files import JsonObject

T = TypeVar("T")

# Characters of a value in a message, which may be as long as its file; and the largest float.
_SHOWN, _LARGEST = 80, 1e300


class LacksError(DataError):
    """A JSON object lacks a field, as those of an earlier version may."""


def to_config(value: Any) -> JsonObject:
    """A dataclass as a JSON object: paths are words, tuples are lists, fields are keys."""
    return plain(dataclasses.asdict(value))


def plain(value: Any) -> Any:
    """A value as it comes back from JSON: tuples are lists, paths are words."""
    return json.loads(json.dumps(value, default=os.fspath))


def from_config(cls: type[T], config: object, in_part: bool = False) -> T:
    """The dataclass back from its JSON object; fields that it lacks have their defaults.

    Args:
      cls: a dataclass; a field made by `command_flags.flag` is also read by its former name.
      config: what `to_config` gave, in this version or an earlier one.
      in_part: whether the object may hold more, here and in objects inside.

    Raises:
      LacksError: it lacks a field without a default.
      DataError: it is not an object of this kind; says which key is wrong.
    """
    if not isinstance(config, Mapping):
        raise DataError(f"expected a JSON object, got {config!r:.{_SHOWN}}")
    hints, left, values = typing.get_type_hints(cls), dict(config), {}
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        key = field.metadata.get("formerly")
        key = key if key in left else field.name
        if key in left:
            values[field.name] = _value(hints[field.name], left.pop(key), field.name, in_part)
        elif dataclasses.MISSING is field.default is field.default_factory:
            raise LacksError(f"lacks '{field.name}'")
    for key in () if in_part else left:
        raise DataError(f"unknown key '{key}'")
    try:
        return cls(**values)
    except ValueError as error:  # What the dataclass itself refuses.
        raise DataError(str(error)) from None


def _value(kind: Any, value: Any, name: str, in_part: bool) -> Any:
    """A field's value, checked against its annotation."""
    members = typing.get_args(kind)
    if kind == JsonObject and isinstance(value, dict):
        return value
    if isinstance(kind, types.UnionType):  # With None.
        return None if value is None else _value(members[0], value, name, in_part)
    if hasattr(kind, "__dataclass_fields__"):
        try:
            return from_config(kind, value, in_part)
        except DataError as error:
            raise type(error)(f"{name}: {error}") from None
    if typing.get_origin(kind) is dict and isinstance(value, dict):
        return {
            key: _value(members[1], inner, f"{name}.{key}", in_part) for key, inner in value.items()
        }
    if members and isinstance(value, list):
        is_list = typing.get_origin(kind) is list
        members = members[:1] * len(value) if is_list or members[1:] == (...,) else members
        if len(members) == len(value):
            pairs = zip(members, value, strict=True)
            inner = [_value(member, item, name, in_part) for member, item in pairs]
            return inner if is_list else tuple(inner)
    elif kind is float and type(value) is int and abs(value) < _LARGEST:
        return float(value)
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif type(value) is kind:
        return value
    expected = getattr(kind, "__name__", kind)
    raise DataError(f"{name} is {value!r:.{_SHOWN}}, expected {expected}")

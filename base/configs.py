"""Dataclasses as JSON holds them, and back.

`to_config` and `from_config` are each other's inverse for frozen dataclasses of numbers, words,
tuples, and dataclasses in turn:

    files.write_json(path, to_config(recipe))
    recipe = from_config(Recipe, files.read_json(path))
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


def to_config(value: Any) -> JsonObject:
    """A dataclass as a JSON object: paths are words, tuples are lists, fields are keys."""
    return plain(dataclasses.asdict(value))


def plain(value: Any) -> Any:
    """A value as it comes back from JSON: tuples are lists, paths are words."""
    return json.loads(json.dumps(value, default=os.fspath))


def from_config(cls: type[T], config: object) -> T:
    """The dataclass back from its JSON object; fields that it lacks have their defaults.

    Args:
      cls: a dataclass; a field made by `command_flags.flag` is also read by its former name.
      config: what `to_config` gave, in this version or an earlier one.

    Raises:
      DataError: it is not an object of this kind; says which key is wrong.
    """
    if not isinstance(config, Mapping):
        raise DataError(f"expected a JSON object, got {config!r}")
    hints, left, values = typing.get_type_hints(cls), dict(config), {}
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        key = field.metadata.get("formerly")
        key = key if key in left else field.name
        if key in left:
            values[field.name] = _value(hints[field.name], left.pop(key), field.name)
        elif field.default is dataclasses.MISSING:
            raise DataError(f"lacks '{field.name}'")
    for key in left:
        raise DataError(f"unknown key '{key}'")
    try:
        return cls(**values)
    except ValueError as error:  # What the dataclass itself refuses.
        raise DataError(str(error)) from None


def _value(kind: Any, value: Any, name: str) -> Any:
    """A field's value, checked against its annotation."""
    members = typing.get_args(kind)
    if kind == JsonObject and isinstance(value, dict):
        return value
    if isinstance(kind, types.UnionType):  # With None.
        return None if value is None else _value(members[0], value, name)
    if hasattr(kind, "__dataclass_fields__"):
        try:
            return from_config(kind, value)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
    if members and isinstance(value, list):
        members = members[:1] * len(value) if members[1:] == (...,) else members
        if len(members) == len(value):
            return tuple(map(_value, members, value, [name] * len(value)))
    elif kind is float and type(value) is int:
        return float(value)
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif type(value) is kind:
        return value
    raise DataError(f"{name} is {value!r}, expected {getattr(kind, '__name__', kind)}")

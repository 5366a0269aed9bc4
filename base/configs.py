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
from typing import Any, TypeVar

from .errors import DataError
from .files import JsonObject

T = TypeVar("T")


def to_config(value: Any) -> JsonObject:
    """A dataclass as a JSON object: paths are words, tuples are lists, fields are keys."""
    return json.loads(json.dumps(dataclasses.asdict(value), default=os.fspath))


def from_config(
    cls: type[T], config: object, renamed: Mapping[str, str] = types.MappingProxyType({})
) -> T:
    """The dataclass back from its JSON object; fields that it lacks have their defaults.

    Args:
      cls: a dataclass.
      config: what `to_config` gave, in this version or an earlier one.
      renamed: what fields were called in earlier versions, and what they are called now.

    Raises:
      DataError: it is not an object of this kind; says which key is wrong.
    """
    if not isinstance(config, Mapping):
        raise DataError(f"expected a JSON object, got {config!r}")
    config = {renamed.get(key, key): value for key, value in config.items()}
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # pyright: ignore[reportArgumentType]
    for key in config.keys() - fields.keys():
        raise DataError(f"unknown key '{key}'")
    values = {}
    for name, field in fields.items():
        if name in config:
            values[name] = _value(hints[name], config[name], name)
        elif (field.default, field.default_factory) == (dataclasses.MISSING,) * 2:
            raise DataError(f"lacks '{name}'")
    try:
        return cls(**values)
    except ValueError as error:  # What the dataclass itself refuses.
        raise DataError(str(error)) from None


def _value(kind: Any, value: Any, name: str) -> Any:
    """A field's value, checked against its annotation."""
    origin, members = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        if value is None and types.NoneType in members:
            return None
        (kind,) = (member for member in members if member is not types.NoneType)
        return _value(kind, value, name)
    if hasattr(kind, "from_config"):
        return kind.from_config(value)
    if hasattr(kind, "__dataclass_fields__"):
        return from_config(kind, value)
    if origin is tuple and isinstance(value, list):
        members = members[:1] * len(value) if members[1:] == (...,) else members
        if len(members) == len(value):
            return tuple(map(_value, members, value, [name] * len(value)))
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif origin is None and type(value) is kind:
        return value
    raise DataError(f"{name} is {value!r}, expected {getattr(kind, '__name__', kind)}")

"""Options of a command as keywords of a Python function: the fields that are its flags.

    options = read(EvaluateOptions, {"workdir": "runs/mine", "split": "test"})

Values are taken as people write them: words for paths, lists for tuples, 3 for a word "3". Each is
checked as its flag is, by type, bounds and words.
"""

import dataclasses
import inspect
import math
import numbers
import os
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..base.command_flags import OneOf, nearest, path
from ..base.errors import UsageError

T = TypeVar("T")

# What a keyword may be.
Value = bool | float | str | os.PathLike[str] | Sequence[str | os.PathLike[str] | int] | None


def read(options: type[T], keywords: Mapping[str, object], **more: Any) -> T:
    """The dataclass that keywords state.

    Args:
      options: a dataclass.
      keywords: values by name; those that are no flags of `options` are of other dataclasses.
      more: the fields that are no flags.

    Raises:
      UsageError: a value is wrong.
    """
    return options(**values(options, keywords), **more)


def values(options: type, keywords: Mapping[str, object]) -> dict[str, Any]:
    """The keywords that are flags of a dataclass, as its fields hold them; raises as `read`."""
    return {
        field.name: _value(field, kind, keywords[field.name])
        for field, kind in _flags(options)
        if field.name in keywords
    }


def checked(options: T) -> T:
    """Options that a Python caller made: the same, checked as keywords are; raises as `read`."""
    there = {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)  # pyright: ignore[reportArgumentType]
    }
    inner = {name: checked(value) for name, value in there.items() if hasattr(value, _FIELDS)}
    changes = {**values(type(options), there), **inner}
    return dataclasses.replace(options, **changes)  # pyright: ignore[reportArgumentType]


_FIELDS = "__dataclass_fields__"


def require_known(function: str, keywords: Mapping[str, object], options: type) -> None:
    """Refuses keywords that are no flags of a dataclass, by a `UsageError`."""
    known = [field.name for field, _ in _flags(options)]
    for name in keywords:
        if name not in known:
            raise UsageError(
                f"{function}() has no option {name}{nearest(name, known)} "
                f"(help({function}) lists them)"
            )


def signature(options: type, undecided: type | None = None) -> inspect.Signature:
    """The signature of a function that takes the flags of a dataclass as keywords.

    Args:
      options: the dataclass.
      undecided: a base class of it, for whose defaults, which are decided later, None stands.
    """
    undecided_names = [] if undecided is None else [field.name for field, _ in _flags(undecided)]
    return inspect.Signature(
        [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None if field.name in undecided_names else field.default,
                annotation=kind,
            )
            for field, kind in _flags(options)
        ]
    )


def described(options: type) -> str:
    """What each option is, one a line, for a docstring."""
    return "\n".join(f"  {field.name}: {field.metadata['help']}" for field, _ in _flags(options))


def _flags(options: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    """The fields that are flags, each with its annotation."""
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        if "group" in field.metadata:
            yield field, hints[field.name]


def _value(field: dataclasses.Field[Any], kind: Any, value: object) -> Any:
    """A value as its field holds it."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = (member for member in kind.__args__ if member is not types.NoneType)
    words = field.metadata["words"]
    try:
        if typing.get_origin(kind) is tuple:
            several = [value] if isinstance(value, (str, os.PathLike)) else value
            if not isinstance(several, Sequence):
                raise ValueError("expected a list of words")
            if words and not several:
                raise ValueError(f"at least one was expected of {', '.join(words)}")
            return tuple(_word(field.name, words, item) for item in several)
        if kind is Path:
            return _path(field, value)
        if kind is str:
            return _word(field.name, words, value)
        return _number(kind, field.metadata["bounds"], value)
    except ValueError as error:
        raise UsageError(f"{field.name}={value!r}: {error}") from None


def _word(name: str, words: Sequence[str], value: object) -> str:
    """A word; a whole number stands for its digits, (28, 32) for 28x32."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    elif isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = str(int(value))
    elif isinstance(value, Sequence) and all(isinstance(item, numbers.Integral) for item in value):
        value = "x".join(str(int(item)) for item in value)
    if not isinstance(value, str):
        raise ValueError("expected a word")
    return OneOf(name, words).parse(value) if words else value


def _path(field: dataclasses.Field[Any], value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("expected a path")
    return path(field, os.fspath(value)).expanduser()  # As a shell does.


def _number(kind: type, bounds: Mapping[str, float], value: object) -> bool | int | float:
    """A value of a `bool`, an `int` or a `float`; NumPy's too."""
    is_bool = type(value).__name__ in ("bool", "bool_")
    if kind is bool:
        if not is_bool:
            raise ValueError("expected True or False")
        return bool(value)
    number = float(value) if isinstance(value, numbers.Real) and not is_bool else math.nan
    if not math.isfinite(number):
        raise ValueError("expected a finite number")
    if kind is int and not number.is_integer():
        raise ValueError("expected a whole number")
    low, high = bounds.get("lower_bound", number), bounds.get("upper_bound", number)
    if not low <= number <= high:
        limits = {"at least": bounds.get("lower_bound"), "at most": bounds.get("upper_bound")}
        stated = (f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
        raise ValueError(f"expected {' and '.join(stated)}")
    return int(number) if kind is int else number

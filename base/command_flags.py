"""Flags of a command, declared as the fields of a frozen dataclass.

A field made by `flag` is a flag of the same name; its annotation is the flag's type
(`bool`, `int`, `float`, `str`, `Path`, `tuple[str, ...]`, each also `| None`):

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class TrainOptions:
        epochs: float = flag(5.0, "Passes over the training split.", group="Recipe", at_least=0)

    FLAGS = flag_values(TrainOptions)     # --epochs, and --json, which every command has
    options = read(TrainOptions, FLAGS)   # after parsing

The same dataclass is what a Python caller uses. Nothing below a command sees flags.
"""

import dataclasses
import difflib
import math
import re
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from absl import flags
from absl.flags import FlagValues

from . import addresses, progress
from .errors import UsageError

T = TypeVar("T")
_OUTPUT = "Output"


def flag(
    default: Any,
    help_text: str,
    *,
    group: str,
    words: Iterable[str] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    formerly: str | None = None,
    remote: bool = False,
) -> Any:
    """A dataclass field that is a flag.

    Args:
      default: the flag's default; with `None` the annotation must admit it.
      help_text: for `--help`. The default is added to it.
      group: the title under which `--help` shows it.
      words: the only values of a `str`, or the only ones in a tuple that is not empty, if any.
      at_least: lower bound of a number.
      at_most: upper bound of a number.
      formerly: the flag's name in the last release, which is still understood.
      remote: whether a path may be an address such as s3://bucket/folder.
    """
    bounds = {"lower_bound": at_least, "upper_bound": at_most}
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "group": group,
            "words": tuple(words),
            "bounds": {name: bound for name, bound in bounds.items() if bound is not None},
            "formerly": formerly,
            "remote": remote,
        },
    )


def flag_values(*options: type) -> FlagValues:
    """The flags of one command: those of `options`, and those that every command has."""
    values = FlagValues()
    flags.DEFINE_bool(
        "json",
        False,
        "Print one JSON object and nothing else on standard output.",
        flag_values=values,
        module_name=_OUTPUT,
    )
    for cls in options:
        define(cls, values)
    return values


def define(options: type, values: FlagValues, **replaced: Any) -> None:
    """Defines a flag for each field of `options` made by `flag`.

    Args:
      options: a dataclass.
      values: where the flags are defined.
      replaced: metadata that takes the place of the fields' own, or `default`.
    """
    for field, kind in _flag_fields(options):
        facts = {"default": field.default, **field.metadata, **replaced}
        _define(field.name, kind, facts, values)
        if facts["formerly"]:
            flags.DEFINE_alias(facts["formerly"], field.name, flag_values=values)


def _flag_fields(options: type) -> Iterable[tuple[dataclasses.Field[Any], type]]:
    """The fields that are flags, each with its type less `| None`."""
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        if "group" in field.metadata:
            kind = hints[field.name]
            if isinstance(kind, types.UnionType):
                (kind,) = (member for member in kind.__args__ if member is not types.NoneType)
            yield field, kind


def _define(name: str, kind: type, facts: dict[str, Any], values: FlagValues) -> None:
    where = {"flag_values": values, "module_name": facts["group"]}
    default, help_text, bounds = facts["default"], facts["help"], facts["bounds"]
    if facts["words"] and kind is str:
        flags.DEFINE(OneOf(name, facts["words"]), name, default, help_text, **where)
    elif facts["words"]:
        serializer = flags.CsvListSerializer(",")
        parser = SomeOf(name, facts["words"])
        flags.DEFINE(parser, name, list(default), help_text, serializer=serializer, **where)
    elif kind is bool:
        flags.DEFINE_bool(name, default, help_text, **where)
    elif kind is int:
        flags.DEFINE_integer(name, default, help_text, **bounds, **where)
    elif kind is float:
        flags.DEFINE_float(name, default, help_text, **bounds, **where)
    elif kind is Path:
        default = None if default is None else str(default)
        flags.DEFINE_string(name, default, help_text, **where)
    elif kind is str:
        flags.DEFINE_string(name, default, help_text, **where)
    elif typing.get_origin(kind) is tuple:
        flags.DEFINE_list(name, list(default), help_text, **where)
    else:
        raise TypeError(f"Expected a type that a flag can have. Received: {name}: {kind}")


def read(options: type[T], values: FlagValues, **more: Any) -> T:
    """The dataclass that the parsed flags state.

    Args:
      options: a dataclass whose flags are in `values`.
      values: parsed.
      more: the fields that are no flags, or that take another value than their flag's.
    """
    stated: dict[str, Any] = {}
    for field, kind in _flag_fields(options):
        value = values[field.name].value
        if kind is Path and value is not None:
            try:
                value = path(field, value)
            except ValueError as error:
                raise UsageError(f"--{field.name}={value}: {error}") from None
        elif isinstance(value, list):
            value = tuple(value)
        stated[field.name] = value
    return options(**{**stated, **more})


def path(field: dataclasses.Field[Any], value: str) -> Path:
    """The path that a flag states; of an address, its mirror.

    Raises:
      ValueError: it is an address, and the flag takes none; or not a right one.
    """
    if addresses.is_address(value) and not field.metadata["remote"]:
        raise ValueError("a file or folder of this machine was expected, not an address")
    try:
        return addresses.local(value)
    except UsageError as error:
        raise ValueError(str(error)) from None


def changed(options: Any) -> list[str]:
    """The flags that say where a dataclass of options is not at its defaults, as they are typed."""
    values = ((field, getattr(options, field.name)) for field, _ in _flag_fields(type(options)))
    return [typed(field.name, value) for field, value in values if value != field.default]


def typed(name: str, value: object) -> str:
    """A flag as it is to be typed."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return list_flag(name, value) if isinstance(value, tuple) else f"--{name}={value}"


def list_flag(name: str, values: Iterable[object]) -> str:
    """A flag of a tuple as it is to be typed; the values may hold commas of their own."""
    return f"--{name}={flags.CsvListSerializer(',').serialize([str(value) for value in values])}"


def parse(typed: str, known: FlagValues, values: FlagValues, argv: list[str]) -> list[str]:
    """Parses `argv` into `values`; returns the arguments that are not flags.

    Args:
      typed: how a person starts the command.
      known: the command's own flags.
      values: the flags to parse into; they include `known`.
      argv: with the program's name first.

    Raises:
      UsageError: an unknown flag, or a wrong value (infinite and NaN are, for every flag).
    """
    try:
        rest = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        wrong = f"--{error.flagname}"
        raise UsageError(
            f"unknown flag {wrong}{nearest(wrong, _accepted(known))} ({typed} --help lists them)"
        ) from None
    except flags.Error as error:
        raise UsageError(str(error)) from None
    for flag_name in known:
        value = values[flag_name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{flag_name}={value}: expected a finite number")
    _say_renamed(known)
    return rest


def _accepted(known: FlagValues) -> Iterator[str]:
    """The flags as they may be typed, but for their former names."""
    for name in known:
        if not is_alias(known[name]):
            yield f"--{name}"
            if known[name].boolean:
                yield f"--no{name}"


def _say_renamed(known: FlagValues) -> None:
    """One line for each flag that is given by its former name."""
    for name in known:
        if is_alias(known[name]) and known[name].present:
            new_name = (known[name].help or "").rpartition("--")[2].rstrip(".")
            progress.say(f"--{name} is now --{new_name}; the next release drops the old name")


def is_alias(known: flags.Flag) -> bool:
    """Whether it is a flag's former name."""
    return (known.help or "").startswith("Alias for --")


class OneOf(flags.ArgumentParser):
    """Parses a flag that takes one of a few words; a wrong one is met with the nearest."""

    def __init__(self, what: str, words: Iterable[str]):
        super().__init__()
        self._what, self._words = what, tuple(words)
        self.syntactic_help = "|".join(self._words)

    def parse(self, argument: str) -> str:
        if argument not in self._words:
            raise ValueError(
                f"unknown {self._what} '{argument}'{nearest(argument, self._words)} "
                f"(choose from: {', '.join(self._words)})"
            )
        return argument


class SomeOf(flags.ListParser):
    """Parses a flag that takes some of a few words, with commas between them."""

    def __init__(self, what: str, words: Iterable[str]):
        super().__init__()
        self._one = OneOf(what, words)
        self.syntactic_help = self._one.syntactic_help.replace("|", ",")

    def parse(self, argument: str | list[str]) -> list[str]:
        words = super().parse(argument)
        if not words:
            raise ValueError(f"at least one was expected of {self.syntactic_help}")
        return [self._one.parse(word) for word in words]


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean X?` for the word most like `word`, or nothing."""
    close = closest(word, words)
    return "" if close is None else f"; did you mean {close}?"


def closest(word: str, words: Iterable[str], likeness: float = 0.6) -> str | None:
    """The word most like `word`, if one is like it, by this share of the letters.

    Capitals, dashes and blanks count for nothing: `--Batch-Size` is `--batch_size`. Before the
    letters, what is cut short counts: `--lr` for `--learning_rate`, `--batch` for `--batch_size`.
    """
    parts, by_parts = _parts(word), {_parts(known): known for known in words}
    close = sorted((known for known in by_parts if set(parts) <= set(known)), key=len)
    if not close and len(parts) == 1 < len(parts[0]):
        close = [known for known in by_parts if "".join(part[:1] for part in known) == parts[0]]
    if not close:
        by_letters = {"_".join(known): known for known in by_parts}
        like = difflib.get_close_matches("_".join(parts), by_letters, n=1, cutoff=likeness)
        close = [by_letters[letters] for letters in like]
    return by_parts[close[0]] if close else None


def _parts(word: str) -> tuple[str, ...]:
    return tuple(re.split(r"[-_\s/]+", word.lstrip("-").lower()))


def help_of_flags(values: FlagValues) -> list[str]:
    """The lines of `--help` about flags: by group, with defaults; former names are left out."""
    groups = values.flags_by_module_dict()
    lines = []
    for title in sorted(groups, key=lambda title: title == _OUTPUT):  # Output comes last.
        shown = [known for known in groups[title] if not is_alias(known)]
        if shown:
            lines += ["", f"{title}:"]
        for known in shown:
            lines += _help_of_flag(known)
    return lines


def _help_of_flag(known: flags.Flag) -> list[str]:
    head = f"  --{'[no]' if known.boolean else ''}{known.name}"
    text = known.help or ""
    if isinstance(known.parser, OneOf):
        text += f" One of {known.parser.syntactic_help}."
    elif isinstance(known.parser, SomeOf):
        text += f" Some of {known.parser.syntactic_help}."
    if known.default is not None:
        default = str(known.default).lower() if known.boolean else known.default
        if isinstance(default, list):
            default = ",".join(default)
        text += f" (default: {default})"
    return [head, *textwrap.wrap(text, 88, initial_indent="      ", subsequent_indent="      ")]

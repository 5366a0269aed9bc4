"""Class names: what a label in a file, a folder's name or an array becomes, checked in one place.

Every source of images takes its class names from here:

    name = read(word)               # of one label, as it is written: a cell, a folder's name
    folders = classes(words, root)  # of all that a source has: {name: word}, in class order
    names = checked(names, origin)  # of a list that numbers the classes already: order is kept

A label is read without the blanks around it and in Unicode's composed form (NFC), so a name
typed on a Mac and the same name typed elsewhere are one class. Whole numbers are numbers: `10`,
`10.0`, `1e1` and ` 10 ` are one class, called 10. Digits are otherwise kept as they are written
(a folder `007` is the class 007), but `7` and `007` side by side are refused. Classes that are all
numbers are ordered as numbers, 2 before 10; others by their characters.

Where labels are names (CSV files, folders, arrays of strings) only what occurs is a class: 0, 1
and 3 are three classes. Where they are class numbers (arrays of numbers, IDX files) the class 2
is one without images, since position and number are one there. `say_oddities` says either.
"""

import ast
import contextlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence

from ...base import progress
from ...base.errors import DataError
from ...base.pixels.words import is_missing

_NUMBER = re.compile(r"[+-]?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
# How Python prints bytes.
_BYTES = re.compile(r"""b'[^']*'|b"[^"]*\"""")
# Characters of which nothing is seen at either end of a word.
_INVISIBLE = "\ufeff\u200b"
# Control characters, line and paragraph separators, and what could not be decoded.
_FORBIDDEN = {"Cc", "Zl", "Zp", "Cs"}
# Whole numbers with a point or an exponent are not told apart from here on by what a float holds.
_EXACT = 2**53
# A longer text is no name of a class.
_LONGEST = 200
# What may become one: to compose characters takes time in proportion to the square of their number.
_COMPOSED = 2000
# A message names the first few.
_NAMED = 5


class LabelError(DataError):
    """A label is missing, or cannot be the name of a class."""


def read(word: str | bytes) -> str:
    """The class that a label names.

    Raises:
      LabelError: it is missing, not text, or holds what no name may hold; says which.
    """
    if isinstance(word, bytes):
        try:
            word = word.decode()
        except UnicodeDecodeError:
            raise LabelError(f"its label is not text in UTF-8: {word!r:.80}") from None
    if _BYTES.fullmatch(word.strip()):
        # Else it is not as Python prints bytes after all.
        with contextlib.suppress(SyntaxError, ValueError):
            return read(ast.literal_eval(word.strip()))
    name = word.strip().strip(_INVISIBLE).strip()
    _require_short(name, _COMPOSED)
    name = unicodedata.normalize("NFC", name)
    if is_missing(name):
        raise LabelError(f"it has no label{f': {name} stands for a missing one' if name else ''}")
    if any(unicodedata.category(character) in _FORBIDDEN for character in name):
        raise LabelError(f"its label holds a line break or a control character: {name!r:.80}")
    _require_short(name, _LONGEST)
    if _NUMBER.fullmatch(name) and not name.isdigit():
        number = float(name)
        return str(int(number)) if number.is_integer() and abs(number) < _EXACT else name
    return name


def _require_short(name: str, most: int) -> None:
    if len(name) > most:
        raise LabelError(f"its label has {len(name):,} characters, at most {_LONGEST} are one")


def classes(words: Iterable[str], origin: object) -> dict[str, str]:
    """The classes of a source, in their order.

    Args:
      words: every label, as it is written; each once.
      origin: where they are from, for errors.

    Returns:
      From the class's name to the word.

    Raises:
      DataError: a word cannot be a name, or two words are one class.
    """
    by_name: dict[str, str] = {}
    for word in sorted(words):
        try:
            name = read(word)
        except LabelError as error:
            raise DataError(f"{origin}, {word!r:.80} as a class: {error}") from None
        other = by_name.setdefault(name, word)
        if other != word:
            # Of two Unicode forms the same is seen, unless they are escaped.
            forms = {unicodedata.normalize("NFC", form) for form in (word, other)}
            shown = ascii if len(forms) == 1 else repr
            raise DataError(
                f"{origin}: {shown(other)} and {shown(word)} are one class, {name}; join them"
            )
    if not all(map(_NUMBER.fullmatch, by_name)):
        return {name: by_name[name] for name in sorted(by_name)}
    ordered = sorted(by_name, key=float)
    for name, other in itertools.pairwise(ordered):
        if float(name) == float(other):
            raise DataError(
                f"{origin}: {name} and {other} are one number: write the class in one way"
            )
    return {name: by_name[name] for name in ordered}


def checked(names: Sequence[str | bytes], origin: object) -> tuple[str, ...]:
    """The names of classes that are numbered already, by class number.

    Raises:
      DataError: one is missing or cannot be a name, or two are the same.
    """
    result: dict[str, int] = {}
    for number, word in enumerate(names):
        try:
            name = read(word)
        except LabelError as error:
            raise DataError(f"{origin}: class {number:,}: {error}") from None
        other = result.setdefault(name, number)
        if other != number:
            raise DataError(
                f"{origin}: the classes {other:,} and {number:,} are both called {name}"
            )
    return tuple(result)


def say_oddities(names: Iterable[str], origin: object, are_classes: bool) -> None:
    """Says which names differ only in capitals, and which numbers in between have no image.

    Args:
      names: of the classes that have images.
      origin: where they are from.
      are_classes: whether such a number is a class all the same, from 0 on.
    """
    words = list(names)
    by_small: dict[str, list[str]] = {}
    for word in words:
        by_small.setdefault(word.casefold(), []).append(word)
    alike = [" and ".join(same) for same in by_small.values() if len(same) > 1]
    if alike:
        progress.say(
            f"{origin}: classes that differ only in capitals: {', '.join(alike[:_NAMED])}"
            f"{', …' if len(alike) > _NAMED else ''}"
        )
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        return
    present = set(map(int, words))
    first, last = 0 if are_classes else min(present), max(present)
    unused = (number for number in range(first, last) if number not in present)
    listed = ", ".join(map(str, itertools.islice(unused, _NAMED)))
    if listed:
        progress.say(
            f"{origin}: labels are {min(present)} to {last}, but no image is of {listed}"
            f"{', …' if next(unused, None) is not None else ''}: "
            + ("classes without images" if are_classes else "not classes")
        )

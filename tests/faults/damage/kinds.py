"""Ways in which a file is damaged: each is a function of its path, of chance, and of another file.

`KINDS` has them by name. A damage raises `UnfitError` where it is none of that file.
"""

import json
import os
import random
import shutil
import string
from collections.abc import Callable
from pathlib import Path


class UnfitError(Exception):
    """The damage does not go with the file."""


# The path; chance; the same file of another run, dataset or export, if there is one.
Damage = Callable[[Path, random.Random, Path | None], None]


def _content(path: Path) -> bytearray:
    content = bytearray(path.read_bytes())
    if not content:
        raise UnfitError
    return content


def _missing(path: Path, chance: random.Random, other: Path | None) -> None:
    path.unlink()


def _empty(path: Path, chance: random.Random, other: Path | None) -> None:
    _content(path)
    path.write_bytes(b"")


def _cut(share: float) -> Damage:
    def cut(path: Path, chance: random.Random, other: Path | None) -> None:
        content = _content(path)
        path.write_bytes(content[: min(int(len(content) * share), len(content) - 1)])

    return cut


def _cut_anywhere(path: Path, chance: random.Random, other: Path | None) -> None:
    content = _content(path)
    path.write_bytes(content[: chance.randrange(len(content))])


def _longer(path: Path, chance: random.Random, other: Path | None) -> None:
    path.write_bytes(path.read_bytes() + chance.randbytes(chance.randrange(1, 100)))


def _folder(path: Path, chance: random.Random, other: Path | None) -> None:
    path.unlink()
    path.mkdir()


def _full_folder(path: Path, chance: random.Random, other: Path | None) -> None:
    _folder(path, chance, other)
    (path / "file").write_text("1")


def _pipe(path: Path, chance: random.Random, other: Path | None) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(target: str) -> Damage:
    def link(path: Path, chance: random.Random, other: Path | None) -> None:
        path.unlink()
        path.symlink_to(target.format(path))

    return link


def _flip(path: Path, chance: random.Random, other: Path | None) -> None:
    content = _content(path)
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _digit(path: Path, chance: random.Random, other: Path | None) -> None:
    """Another digit in the place of one: it stays text, and JSON."""
    _another_of(path, chance, b"0123456789", b"123456789")


def _letter(path: Path, chance: random.Random, other: Path | None) -> None:
    letters = string.ascii_lowercase.encode()
    _another_of(path, chance, letters, letters)


def _another_of(path: Path, chance: random.Random, present: bytes, new: bytes) -> None:
    """Puts another one of `new` in the place of one of `present`."""
    content = _content(path)
    places = [place for place, byte in enumerate(content) if byte in present]
    if not places or b"\0" in content:
        raise UnfitError
    place = chance.choice(places)
    content[place] = chance.choice([byte for byte in new if byte != content[place]])
    path.write_bytes(content)


def _overwritten(make: Callable[[random.Random, int], bytes]) -> Damage:
    def overwrite(path: Path, chance: random.Random, other: Path | None) -> None:
        content = _content(path)
        start = chance.randrange(len(content))
        end = min(len(content), start + chance.choice((1, 4, 64, 4096)))
        content[start:end] = make(chance, end - start)
        path.write_bytes(content)

    return overwrite


def _zeros(path: Path, chance: random.Random, other: Path | None) -> None:
    path.write_bytes(bytes(len(_content(path))))


def _noise(path: Path, chance: random.Random, other: Path | None) -> None:
    path.write_bytes(chance.randbytes(len(_content(path))))


def _no_utf8(path: Path, chance: random.Random, other: Path | None) -> None:
    content = _content(path)
    if b"\0" in content:
        raise UnfitError
    content[chance.randrange(len(content))] = chance.choice((0x80, 0xC0, 0xFF))
    path.write_bytes(content)


def _words(words: str) -> Damage:
    def write(path: Path, chance: random.Random, other: Path | None) -> None:
        if path.suffix not in (".json", ".jsonl", ".txt"):
            raise UnfitError
        path.write_text(words)

    return write


def _value(change: Callable[[random.Random, object], object]) -> Damage:
    """One value of a JSON file is another; it stays JSON, and its form."""

    def edit(path: Path, chance: random.Random, other: Path | None) -> None:
        if path.suffix != ".json":
            raise UnfitError
        content = json.loads(path.read_text())
        places = list(_places(content))
        holder, key = chance.choice(places)
        holder[key] = change(chance, holder[key])
        path.write_text(json.dumps(content, indent=2))

    return edit


def _places(value):
    """Each value in a JSON value, as what holds it and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _lacking(path: Path, chance: random.Random, other: Path | None) -> None:
    if path.suffix != ".json":
        raise UnfitError
    content = json.loads(path.read_text())
    holders = [holder for holder, _ in _places(content) if isinstance(holder, dict)]
    holder = chance.choice(holders)
    del holder[chance.choice(list(holder))]
    path.write_text(json.dumps(content, indent=2))


def _other(path: Path, chance: random.Random, other: Path | None) -> None:
    if other is None or other.read_bytes() == path.read_bytes():
        raise UnfitError
    shutil.copyfile(other, path)


KINDS: dict[str, Damage] = {
    "missing": _missing,
    "empty": _empty,
    "cut at the first byte": _cut(1e-9),
    "cut in the middle": _cut(0.5),
    "cut at the last byte": _cut(1.0),
    "cut anywhere": _cut_anywhere,
    "longer": _longer,
    "a folder": _folder,
    "a folder with a file": _full_folder,
    "a pipe": _pipe,
    "a link to nothing": _link("nothing"),
    "a link to itself": _link("{}"),
    "a turned bit": _flip,
    "another digit": _digit,
    "another letter": _letter,
    "zeros somewhere": _overwritten(lambda chance, size: bytes(size)),
    "noise somewhere": _overwritten(lambda chance, size: chance.randbytes(size)),
    "zeros": _zeros,
    "noise": _noise,
    "no UTF-8": _no_utf8,
    "JSON: a list": _words("[]"),
    "JSON: an empty object": _words("{}"),
    "JSON: null": _words("null"),
    "JSON: a number": _words("5"),
    "JSON: NaN": _words('{"step": NaN}'),
    "JSON: deep": _words("[" * 100_000 + "]" * 100_000),
    "JSON: just not too deep": _words('{"step": ' + "[" * 980 + "]" * 980 + "}"),
    "JSON: a huge number": _words('{"step": 1' + "0" * 5000 + "}"),
    "JSON: a value is null": _value(lambda chance, value: None),
    "JSON: a value is a list": _value(lambda chance, value: [value]),
    "JSON: a value is words": _value(lambda chance, value: "words"),
    "JSON: a value is huge": _value(lambda chance, value: 10**400),
    "JSON: a value is negative": _value(lambda chance, value: -1),
    "JSON: a value is a surrogate": _value(lambda chance, value: "\ud800"),
    "JSON: a key is missing": _lacking,
    "another's": _other,
}

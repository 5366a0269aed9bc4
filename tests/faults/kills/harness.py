"""Kills a command, looks at what it left, runs it again, and looks at what that made."""

import dataclasses
import functools
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from forks import Ended, Forks
from kills import shim, verifying, views
from kills.scenes import SCENES
from kills.shim import AFTER, BEFORE, HALF, Kill

_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Call:
    """A call that changes a file: its number from 1, its kind, and the path."""

    number: int
    kind: str
    path: str


class Stage:
    """A scene that is made, and what it comes to without a kill.

    Args:
      forks: with the library of `shim`.
      folder: its own.
    """

    def __init__(self, forks: Forks, name: str, folder: Path):
        self._forks, self.scene, self.name = forks, SCENES[name], name
        # Records hold absolute paths: it is always played in the same folder.
        self.work, self.start, self._log = folder / "work", folder / "start", folder / "log"
        (self.work / "tmp").mkdir(parents=True)
        self.scene.makes(self.work)
        for words in self.scene.before:
            self._expect(self.run(words))
        self.scene.changes(self.work)
        shutil.copytree(self.work, self.start, symlinks=True)
        self.before = self.scene.result(self.work)
        self._expect(self.run(self.scene.words, self._armed(log=str(self._log))))
        self.calls = [
            Call(number, *line.split(" ", 1))
            for number, line in enumerate(self._log.read_text().splitlines(), start=1)
        ]
        self.after, self._names = self.scene.result(self.work), views.names(self.work)

    def kills(self) -> list[Kill]:
        """One at each call, before it and in its middle; of many writes to a file only some."""
        numbers: dict[tuple[str, str], list[int]] = {}
        for call in self.calls:
            numbers.setdefault((call.kind, call.path), []).append(call.number)
        kills = []
        for (kind, _), there in numbers.items():
            for number in sorted({*there[:3], there[len(there) // 2], *there[-2:]}):
                kills.append(Kill(number, BEFORE, self.scene.exchange))
                if kind == "write":
                    kills.append(Kill(number, HALF, self.scene.exchange))
        kills.append(Kill(len(self.calls), AFTER, self.scene.exchange))
        return sorted(kills, key=lambda kill: (kill.number, kill.when))

    def at(self, kind: str, path: str) -> list[Kill]:
        """Kills before and after calls of a kind on paths that end so."""
        return [
            Kill(call.number, when, self.scene.exchange)
            for call in self.calls
            for when in (BEFORE, AFTER)
            if call.kind == kind and call.path.endswith(path)
        ]

    def attempt(self, kills: Sequence[Kill]) -> list[str]:
        """Kills the command once or more, each time that it runs; returns what is wrong."""
        self.restore()
        wrong: list[str] = []
        for kill in kills:
            ended = self.run(self.scene.words, self._armed(kill))
            wrong += self._unexpected(ended, "the killed one")
            wrong += views.cut(self.work) + self.scene.promise(self.work, self.before)
        return [*wrong, *self.finish()]

    def restore(self) -> None:
        """Makes the folder as it was before the command."""
        shutil.rmtree(self.work)
        shutil.copytree(self.start, self.work, symlinks=True)

    def describe(self, kills: Sequence[Kill]) -> str:
        """The kills in words."""
        when = {BEFORE: "before", AFTER: "after", HALF: "in the middle of"}
        calls = [(when[kill.when], self.calls[kill.number - 1]) for kill in kills]
        return ", ".join(f"{word} {call.number} {call.kind} {call.path}" for word, call in calls)

    def finish(self) -> Iterator[str]:
        """Runs the command that is to finish; yields what is wrong then."""
        scene = self.scene
        ended = self.run(scene.instead or scene.words)
        yield from self._unexpected(ended, "the next one")
        result = scene.result(self.work)
        if scene.instead:
            if result not in (self.before, self.after):
                yield "the dataset is neither the old one nor the new one"
            return
        if ended.status:
            yield f"the same command ended with {ended.status}: {ended.err[-500:]}"
        for key in result.keys() | self.after.keys():
            if result.get(key) != self.after.get(key):
                yield f"{key} is {result.get(key)}, not {self.after.get(key)}"[:500]
        names = views.names(self.work)
        yield from (f"{name} is left" for name in sorted(names) if _is_temporary(name))
        if scene.exact:
            yield from (f"{name} is too much" for name in sorted(names - self._names))
            yield from (f"{name} is missing" for name in sorted(self._names - names))

    def run(self, words: Sequence[str], before: Callable[[], object] | None = None) -> Ended:
        """Runs a command in the folder, in a process that calls `before` first."""
        before = before or self._armed()
        return self._forks.run(words, folder=self.work, before=before, seconds=_SECONDS)

    def _armed(self, kill: Kill | None = None, log: str | None = None) -> Callable[[], object]:
        kill = kill or Kill(0, exchange=self.scene.exchange)
        return functools.partial(_prepared, kill, str(self.work), log)

    def _expect(self, ended: Ended) -> None:
        assert ended.status == 0, ended.err

    def _unexpected(self, ended: Ended, which: str) -> Iterator[str]:
        if "Traceback" in ended.err:
            yield f"{which} printed a traceback: {ended.err[-500:]}"
        if ended.late:
            yield f"{which} did not end within {_SECONDS} s"


def pairs(kills: Sequence[Kill], count: int, seed: int) -> list[list[Kill]]:
    """Kills of a run, each followed by one of the run that goes on."""
    chosen = random.Random(seed)
    return [sorted(chosen.choices(kills, k=2), key=lambda kill: -kill.number) for _ in range(count)]


def _prepared(kill: Kill, folder: str, log: str | None) -> None:
    verifying.use()
    shim.arm(kill, folder, log)


def _is_temporary(name: str) -> bool:
    parts = Path(name).parts
    return (parts[0] == "tmp" and len(parts) > 1) or any(
        part.startswith((".digitline-tmp-", "incomplete.", ".staging")) for part in parts
    )


def write_armed(kill: Kill, folder: str, text: str) -> None:
    """Opens `file` in a folder, and writes a text twice: three calls."""
    shim.arm(kill, folder)
    with open(Path(folder, "file"), "wb", buffering=0) as file:
        file.write(text.encode())
        file.write(text.encode())

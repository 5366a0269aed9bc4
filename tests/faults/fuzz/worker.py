"""The process in which files of one family are read, until it is time or a reader ends it.

    python tests/faults/fuzz/worker.py NAME FOLDER INPUTS SECONDS SEED

Atheris chooses the files by the coverage of digitline's Python code, from mutations of libFuzzer's
and ours; without it, and where native code reads, files are made by chance alone. In FOLDER it
leaves what `fuzz` looks at: `count`, the number of files so far; `findings.jsonl`; under its own
name in `scratch`, the file that is being read; `corpus`.
"""

import base64
import contextlib
import dataclasses
import itertools
import json
import mmap
import random
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[:1] = [str(Path(__file__).parents[depth]) for depth in (2, 1)]

try:
    import atheris
except ImportError:
    atheris = None

if TYPE_CHECKING:
    from faults.fuzz.target import Target

# A reader that takes longer is ended, and the process with it; and what it may ask for in all.
_HANGS_S, _BYTES = 60, 6 << 30
# Files that are made anew, and those of the others that have their checksums mended.
_NEW, _MENDED = 0.1, 0.5
_PACKAGES = ["digitline", "zipfile", "tarfile", "pickletools", "PIL"]


@dataclasses.dataclass(frozen=True)
class Order:
    """What is to be done, from the command line."""

    name: str
    folder: Path
    inputs: int
    seconds: float
    seed: int


class Run:
    """Reads files, counts them, and writes findings down, each kind once."""

    def __init__(self, target: "Target", folder: Path):
        from faults.fuzz import judge

        self._judge, self._target = judge, target
        self._path = folder / "scratch" / target.file
        self._findings = folder / "findings.jsonl"
        lines = self._findings.read_text().splitlines() if self._findings.exists() else ()
        self._known = {json.loads(line)["kind"] for line in lines}
        # A kill leaves the count as it is, other than a file that is still to be flushed.
        with open(folder / "count", "r+b") as file:
            self._count = mmap.mmap(file.fileno(), 8)

    @property
    def count(self) -> int:
        """Files so far, those of processes before this one too."""
        return struct.unpack("<Q", self._count[:8])[0]

    def warm_up(self, read: Callable[[Path], object], data: bytes) -> None:
        """Has a sound file read, whatever comes of it."""
        self._path.write_bytes(data)
        with contextlib.suppress(Exception):
            read(self._path)

    def read(self, data: bytes) -> None:
        """Has one file read."""
        self._path.write_bytes(data)
        self._count[:8] = struct.pack("<Q", self.count + 1)
        signal.setitimer(signal.ITIMER_REAL, _HANGS_S)
        finding = self._judge.trouble(self._target.readers, self._path)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if finding is None or finding.kind in self._known:
            return
        self._known.add(finding.kind)
        entry = {**dataclasses.asdict(finding), "input": base64.b64encode(data).decode()}
        with open(self._findings, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def main() -> None:
    words = sys.argv[1:]
    order = Order(words[0], Path(words[1]), int(words[2]), float(words[3]), int(words[4]))
    resource.setrlimit(resource.RLIMIT_DATA, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    target = _loaded(order.name)
    for holder, name, value in target.patches:
        setattr(holder, name, value)
    run = Run(target, order.folder)
    if _is_guided(order.name):
        _guided(target, run, order)
    else:
        _by_chance(target, run, order)


def _is_guided(name: str) -> bool:
    from faults.fuzz import catalogue

    return atheris is not None and name not in catalogue.NATIVE


def _loaded(name: str) -> "Target":
    """The target; its modules are instrumented, if that is of use."""
    from faults.fuzz import catalogue

    if not _is_guided(name):
        return catalogue.target(name)
    with atheris.instrument_imports(include=_PACKAGES):
        return catalogue.target(name)


def _by_chance(target: "Target", run: Run, order: Order) -> None:
    from faults.fuzz import damage

    seeds, end = target.seeds(), time.monotonic() + order.seconds
    for read in target.readers:  # What a library does once takes no file'"'"'s time.
        run.warm_up(read, seeds[0])
    first = run.count
    for number in itertools.count(first):
        if number - first >= order.inputs or time.monotonic() > end:
            return
        chance = random.Random(f"{order.seed} {number}")
        if number < len(seeds):
            run.read(seeds[number])
        elif chance.random() < 0.7:
            run.read(target.made(chance))
        else:
            run.read(target.mend(damage.damaged(chance, chance.choice(seeds))))


def _guided(target: "Target", run: Run, order: Order) -> None:
    """Does not return: libFuzzer ends the process."""
    corpus = order.folder / "corpus"
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < _NEW:
            return target.made(chance)[:size] or b"\0"
        data = atheris.Mutate(data, size)
        mended = target.mend(bytes(data)) if chance.random() < _MENDED else data
        return mended[:size] or b"\0"

    flags = {
        "runs": order.inputs,
        "max_total_time": max(1, round(order.seconds)),
        "seed": order.seed + 1,  # 0 is another one each time.
        "max_len": target.largest,
        "artifact_prefix": f"{order.folder}/",
        # Time, memory and signals are watched by us: they are findings, not the end.
        **dict.fromkeys(("timeout", "rss_limit_mb", "detect_leaks"), 0),
        **dict.fromkeys((f"handle_{name}" for name in ("segv", "abrt", "bus", "fpe", "ill")), 0),
    }
    arguments = [order.name, str(corpus), *(f"-{name}={value}" for name, value in flags.items())]
    atheris.Setup(arguments, run.read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

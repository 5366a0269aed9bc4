"""Damages a file, runs a command that reads it, and judges how that ended.

It has to end with one line that names the file, or with what it finds of sound files; and when what
the line advises is done, it has to end well:

    python tests/faults/damage/trials.py --count=5000 --seed=7
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[:1] = [str(Path(__file__).parents[depth]) for depth in (2, 1)]

from faults.damage import kinds, readers, tree
from faults.damage.advice import Advised

import forks

# A run of the slowest reader takes a few seconds.
_SECONDS = 90
# Of this many messages, the advice of one is followed.
_FOLLOWED = 3
# What a run does not need, and goes on without when it has named it.
_NOTED = ("metrics.jsonl", "evaluation.json", "manifest.json", ".cache")
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A damage: which reader, which file, and how it is damaged."""

    reader: str
    file: str
    kind: str
    seed: int

    def __str__(self) -> str:
        return f"{self.reader}: {self.file}: {self.kind} (seed {self.seed})"


class Judge:
    """Runs trials in a tree, one at a time."""

    def __init__(self, there: tree.Tree, run=forks.run):
        self._tree, self._run = there, run
        self._sound: dict[str, object] = {}

    def all(self, slow: bool, only: str = "") -> list[tuple[str, str]]:
        """Each reader that has what it needs, with each file that it reads.

        Args:
          slow: takes the slow ones too.
          only: what their names begin with.
        """
        return [
            (name, file)
            for name, reader in readers.READERS.items()
            if (slow or not reader.slow) and (self._tree.trained or not reader.needs_run)
            if name.startswith(only)
            for file in self._tree.files(reader.reads)
        ]

    def trouble(self, trial: Trial) -> str | None:
        """What is wrong with how a trial ended; None if nothing is.

        Raises:
          UnfitError: the damage does not go with the file.
        """
        reader, path = readers.READERS[trial.reader], self._tree.work / trial.file
        sound = self._found_when_sound(trial.reader)
        self._tree.restore()
        other = self._tree.other(trial.file)
        kinds.KINDS[trial.kind](path, random.Random(trial.seed), other)
        ended = self._end(reader)
        if ended.late:
            return f"still running after {_SECONDS} s"
        if ended.status < 0 or "Traceback" in ended.err:
            return f"status {ended.status}: {ended.err[-2000:]}"
        said = ended.err + ended.out * reader.tells
        names = _stem(trial.file) in said
        if ended.status == 0 and reader.free:
            return None
        if ended.status == 0:
            if reader.found(self._tree.work, ended.out) == sound:
                return None
            is_noted = any(noted in trial.file for noted in _NOTED) or reader.tells
            return None if is_noted and names else f"taken: {ended.out[:600]} / {ended.err[-600:]}"
        errors = [line for line in ended.err.splitlines() if ": error: " in line]
        if (len(errors) != 1 and not reader.tells) or ended.status not in (1, 2):
            return f"status {ended.status}, {len(errors)} errors: {ended.err[-2000:]}"
        if not names:
            return f"not named: {errors[0]}"
        if reader.tells or trial.seed % _FOLLOWED:
            return None
        advised = Advised(self._run, self._tree.work)
        return advised.helps(reader.words, trial.file, errors[0])

    def _end(self, reader: readers.Reader) -> forks.Ended:
        how = {"before": reader.before} if reader.before else {}
        return self._run(reader.words, folder=self._tree.work, seconds=_SECONDS, **how)

    def _found_when_sound(self, name: str) -> object:
        if name not in self._sound:
            reader = readers.READERS[name]
            self._tree.restore()
            ended = self._end(reader)
            assert ended.status == 0, (name, ended.err)
            self._sound[name] = reader.found(self._tree.work, ended.out)
        return self._sound[name]


def _stem(file: str) -> str:
    """How a file has to be named: one of a checkpoint, by the checkpoint."""
    path = Path(file)
    if path.parent.name == "checkpoints":
        return path.name.partition(".")[0]
    return path.name


def draw(pairs: list[tuple[str, str]], seed: int) -> Iterator[Trial]:
    """Trials without end: each pair of reader and file as often as any other, kinds by chance."""
    chance = random.Random(seed)
    while True:
        for reader, file in chance.sample(pairs, len(pairs)):
            yield Trial(reader, file, chance.choice(list(kinds.KINDS)), chance.randrange(2**31))


def _some(
    count: int, seed: int, whole: bool, only: str, out: list[str]
) -> collections.Counter[str]:
    """A process of its own for some of the trials; prints the troubles."""
    counts: collections.Counter[str] = collections.Counter()
    with forks.Forks() as own, tempfile.TemporaryDirectory() as root:
        there = tree.Tree(Path(root), own.run, whole=whole)
        judge = Judge(there, own.run)
        for trial in draw(judge.all(whole, only), seed):
            if counts["tried"] >= count:
                break
            try:
                trouble = judge.trouble(trial)
            except kinds.UnfitError:
                continue
            counts["tried"] += 1
            counts[f"reader: {trial.reader}"] += 1
            counts[f"kind: {trial.kind}"] += 1
            if trouble:
                out.append(f"{trial}: {trouble}")
                print(f"{trial}\n    {trouble}\n", flush=True)
            if counts["tried"] % 50 == 0:
                print(f"{counts['tried']} of {count}, {len(out)} in trouble", flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="without exports, which take longer")
    parser.add_argument("--only", default="", help="readers whose names begin with this")
    parser.add_argument(
        "--write", action="store_true", help="writes benchmarks/results/damage.json"
    )
    options = parser.parse_args()
    begun, troubles = time.monotonic(), []
    share = -(-options.count // options.processes)
    with concurrent.futures.ThreadPoolExecutor(options.processes) as pool:
        parts = pool.map(
            lambda number: _some(
                share, options.seed + number, not options.quick, options.only, troubles
            ),
            range(options.processes),
        )
        counts = sum(parts, collections.Counter())
    result = {
        "command": f"python tests/faults/damage/trials.py --count={options.count} "
        f"--seed={options.seed}" + (f" --only={options.only}" if options.only else ""),
        "damages": counts["tried"],
        "troubles": len(troubles),
        "seconds": round(time.monotonic() - begun),
        "by": {name: count for name, count in sorted(counts.items()) if ": " in name},
    }
    print(json.dumps(result, indent=2))
    if options.write:
        (RESULTS / "damage.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(troubles))


if __name__ == "__main__":
    main()

"""Lets the disk or the clock fail every command: `make soak`.

TROUBLES says how often (1,000, alike of each scene of kills/scenes.py), SCENES which scenes, SEED
which troubles, JOBS how many scenes at once (one for each core). Prints what it found by scene, and
writes it to benchmarks/results/nights.json if all scenes were played; the exit status is 1 if
anything is wrong.
"""

import collections
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from forks import Forks  # noqa: E402 (by the line above)
from kills import playing, shim  # noqa: E402
from kills.harness import Stage  # noqa: E402
from nights import disks  # noqa: E402


def by_kind(results: Sequence[dict]) -> dict:
    """How many troubles of each kind there were in all scenes."""
    counts = (collections.Counter(result["by"]) for result in results)
    return {"by": dict(sum(counts, collections.Counter()))}


def scene(name: str, count: int, seed: int) -> dict:
    """Tries one command so often."""
    begun, wrong = time.monotonic(), []
    folder = Path(tempfile.mkdtemp(prefix="digitline-nights-"))
    with disks.small_disk(folder), Forks(shim.environment()) as forks:
        stage = Stage(forks, name, folder)
        tried = disks.sample(stage, count, seed)
        for trouble in tried:
            if found := disks.attempt(stage, trouble):
                wrong.append({"trouble": str(trouble), "wrong": found[:5]})
                print(f"  {name}: {wrong[-1]}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    result = {
        "troubles": len(tried),
        "by": dict(collections.Counter(map(disks.kind, tried))),
        "seconds": round(time.monotonic() - begun),
        "wrong": wrong,
    }
    print(f"{name:34}{ {**result, 'wrong': len(wrong)} }", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(playing.play("troubles", 1000, scene, by_kind, "nights"))

"""Kills every command at calls that change a file, and twice in a row: `make soak`.

KILLS says how many (2,000, as many of each scene), SCENES which scenes, SEED which kills, JOBS how
many scenes at once (one for each core). Prints what was found, by scene, and writes it to
benchmarks/results/kills.json if all scenes were played; the exit status is 1 if anything is wrong.
"""

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from forks import Forks  # noqa: E402 (by the line above)
from kills import harness, playing, shim  # noqa: E402
from kills.shim import Kill  # noqa: E402


def scene(name: str, count: int, seed: int) -> dict:
    """Kills one command so often; two kills in a row count as two."""
    begun, wrong = time.monotonic(), []
    folder = Path(tempfile.mkdtemp(prefix="digitline-kills-"))
    with Forks(shim.environment()) as forks:
        stage = harness.Stage(forks, name, folder)
        attempts = chosen(stage.kills(), count, seed)
        for kills in attempts:
            if trouble := stage.attempt(kills):
                wrong.append({"killed": stage.describe(kills), "wrong": trouble[:5]})
                print(f"  {wrong[-1]}", flush=True)
    shutil.rmtree(folder)
    result = {
        "calls": len(stage.calls),
        "kills": sum(map(len, attempts)),
        "seconds": round(time.monotonic() - begun),
        "wrong": wrong,
    }
    print(f"{name:34}{ {**result, 'wrong': len(wrong)} }", flush=True)
    return result


def chosen(kills: Sequence[Kill], count: int, seed: int) -> list[list[Kill]]:
    """Each once; fewer, or pairs of them too, where it is not as many."""
    if count <= len(kills):
        return [[kill] for kill in random.Random(seed).sample(kills, count)]
    more = harness.pairs(kills, (count - len(kills)) // 2, seed)
    return [*([kill] for kill in kills), *more]


if __name__ == "__main__":
    sys.exit(playing.play("kills", 2000, scene))

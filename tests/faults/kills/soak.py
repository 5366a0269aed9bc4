"""Kills every command at calls that change a file, and twice in a row: `make soak`.

KILLS says how many (2,000, as many of each scene), SCENES which scenes, SEED which kills, JOBS how
many scenes at once (one for each core). Prints what was found, by scene, and writes it to
benchmarks/results/kills.json if all scenes were played; the exit status is 1 if anything is wrong.
"""

import concurrent.futures
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from forks import Forks  # noqa: E402 (by the line above)
from kills import harness, shim  # noqa: E402
from kills.scenes import SCENES  # noqa: E402
from kills.shim import Kill  # noqa: E402

RESULTS = HERE.parents[2] / "benchmarks" / "results" / "kills.json"


def main() -> int:
    names = os.environ.get("SCENES", ",".join(SCENES)).split(",")
    wanted, seed = int(os.environ.get("KILLS", "2000")), int(os.environ.get("SEED", "0"))
    shim.environment()  # Compiled once.
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(
        int(os.environ.get("JOBS", os.cpu_count() or 1))
    ) as pool:
        played = pool.map(lambda name: scene(name, -(-wanted // len(names)), seed), names)
        results = dict(zip(names, played, strict=True))
    kills = sum(result["kills"] for result in results.values())
    wrong = sum(len(result["wrong"]) for result in results.values())
    total = {
        "kills": kills,
        "wrong": wrong,
        "seed": seed,
        "seconds": round(time.monotonic() - begun),
        "scenes": results,
    }
    if len(names) == len(SCENES):
        RESULTS.write_text(json.dumps(total, indent=2) + "\n")
    print(f"{kills:,} kills in {total['seconds']:,} s, {wrong:,} of them left something wrong")
    return 1 if wrong else 0


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
    sys.exit(main())

"""Lets the disk or the clock fail every command: `make soak`.

TROUBLES says how often (1,000, alike of each scene of kills/scenes.py), SCENES which scenes, SEED
which troubles, JOBS how many scenes at once (one for each core). Prints what it found by scene, and
writes it to benchmarks/results/nights.json if all scenes were played; the exit status is 1 if
anything is wrong.
"""

import collections
import concurrent.futures
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from forks import Forks  # noqa: E402 (by the line above)
from kills import shim  # noqa: E402
from kills.harness import Stage  # noqa: E402
from kills.scenes import SCENES  # noqa: E402
from nights import disks  # noqa: E402

RESULTS = HERE.parents[2] / "benchmarks" / "results" / "nights.json"


def main() -> int:
    names = os.environ.get("SCENES", ",".join(SCENES)).split(",")
    wanted, seed = int(os.environ.get("TROUBLES", "1000")), int(os.environ.get("SEED", "0"))
    shim.environment()  # Compiled once.
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(
        int(os.environ.get("JOBS", os.cpu_count() or 1))
    ) as pool:
        played = pool.map(lambda name: scene(name, -(-wanted // len(names)), seed), names)
        results = dict(zip(names, played, strict=True))
    tried = sum(result["troubles"] for result in results.values())
    wrong = sum(len(result["wrong"]) for result in results.values())
    counts = (collections.Counter(result["by"]) for result in results.values())
    total = {
        "troubles": tried,
        "wrong": wrong,
        "seed": seed,
        "seconds": round(time.monotonic() - begun),
        "by": dict(sum(counts, collections.Counter())),
        "scenes": results,
    }
    if len(names) == len(SCENES):
        RESULTS.write_text(json.dumps(total, indent=2) + "\n")
    print(f"{tried:,} troubles in {total['seconds']:,} s, {wrong:,} of them left something wrong")
    return 1 if wrong else 0


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
    sys.exit(main())

"""What the soaks of kills and of disks share: plays scenes, several at once, and writes figures."""

import concurrent.futures
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kills import shim
from kills.scenes import SCENES

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def play(
    what: str,
    wanted: int,
    scene: Callable[[str, int, int], dict],
    more: Callable[[Sequence[dict]], dict] = lambda _: {},
    name: str | None = None,
) -> int:
    """Plays scenes, and prints and writes what came of it; returns the exit status.

    Args:
      what: is counted, such as `kills`: a key of the results. In capitals, a variable of the
        environment says how many; SCENES, SEED and JOBS say the rest.
      wanted: how many where it does not, as many of each scene.
      scene: from a scene's name, how many, and a seed, to its results, with `wrong` among them.
      more: from the results of all scenes to further keys of the whole.
      name: of the file of results; as `what` is called if None.
    """
    names = os.environ.get("SCENES", ",".join(SCENES)).split(",")
    seed = int(os.environ.get("SEED", "0"))
    each = -(-int(os.environ.get(what.upper(), wanted)) // len(names))
    shim.environment()  # Compiled once.
    begun = time.monotonic()
    jobs = int(os.environ.get("JOBS", os.cpu_count() or 1))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        played = pool.map(lambda name: scene(name, each, seed), names)
        results = dict(zip(names, played, strict=True))
    tried = sum(result[what] for result in results.values())
    wrong = sum(len(result["wrong"]) for result in results.values())
    total = {
        what: tried,
        "wrong": wrong,
        "seed": seed,
        "seconds": round(time.monotonic() - begun),
        **more(list(results.values())),
        "scenes": results,
    }
    if len(names) == len(SCENES):
        (RESULTS / f"{name or what}.json").write_text(json.dumps(total, indent=2) + "\n")
    print(f"{tried:,} {what} in {total['seconds']:,} s, {wrong:,} of them left something wrong")
    return 1 if wrong else 0

"""How fast Dask's workers prepare an image folder: one of them, and several, in turns.

  python benchmarks/prepare_dask.py

Generates JPEG pictures in a temporary folder, starts a Dask scheduler and workers of one thread,
worker i on core i modulo their number, and prepares the folder by `--beam_runner=dask`. The seconds
are those of the whole command, with its start and the survey of the folder, which one process does.
The figures go to benchmarks/results/prepare-dask.json.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.tables import table

import figures
from figures import WHAT, CommonOptions

_CLASSES = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What to measure."""

    pictures: int = flag(6000, "Number of pictures.", group=WHAT, at_least=100)
    size: int = flag(512, "Their height and width.", group=WHAT, at_least=8)
    image_size: int = flag(64, "Height and width of the images.", group=WHAT, at_least=8)
    most_workers: int = flag(2, "Measure from one worker to this many.", group=WHAT, at_least=1)
    rounds: int = flag(3, "Times that each is measured, in turns.", group=WHAT, at_least=1)


def run(options: Options) -> JsonObject:
    """Measures each number of workers, then writes the figures."""
    numbers = range(1, options.most_workers + 1)
    seconds: dict[int, list[float]] = {number: [] for number in numbers}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="digitline-")))
        _write_pictures(folder / "pictures", options)
        addresses = {
            number: stack.enter_context(_dask(number, folder / f"dask-{number}"))
            for number in numbers
        }
        for turn in range(options.rounds + 1):  # In the first one workers import what they need.
            for number in numbers:
                progress.say(f"round {turn} of {options.rounds}, {number} workers")
                seconds[number].append(_prepare(folder, addresses[number], options))
    rows = [
        {
            "workers": number,
            "seconds": [round(each, 1) for each in seconds[number][1:]],
            "pictures_per_s": round(options.pictures / min(seconds[number][1:])),
        }
        for number in numbers
    ]
    packages = ("apache-beam", "dask", "distributed", "pillow", "tensorflow")
    result = {
        "pictures": f"{options.pictures} JPEG files of {options.size}x{options.size}",
        "images": f"{options.image_size}x{options.image_size}x3",
        "rows": rows,
    }
    return figures.write("prepare-dask", options, packages, result)


def _write_pictures(root: Path, options: Options) -> None:
    for label in range(_CLASSES):
        (root / str(label)).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(options.pictures):
        pixels = generator.integers(0, 256, (12, 12, 3), np.uint8)
        picture = PIL.Image.fromarray(pixels).resize((options.size, options.size), 2)
        picture.save(root / str(number % _CLASSES) / f"{number:06d}.jpg", quality=90)


@contextlib.contextmanager
def _dask(workers: int, folder: Path) -> Iterator[str]:
    """A scheduler and workers; its address."""
    from distributed import Client

    folder.mkdir()
    scheduler_file = folder / "scheduler.json"
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(folder / "log", "wb"))

        def start(*words: str, core: int | None = None) -> None:
            words = ("-m", "dask", *words, f"--scheduler-file={scheduler_file}", "--no-dashboard")
            process = subprocess.Popen([sys.executable, *words], stderr=log, cwd=folder)
            if core is not None and hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(process.pid, {core})
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--host=127.0.0.1", "--port=0")
        while not scheduler_file.exists():
            time.sleep(0.05)
        for number in range(workers):
            core = number % (os.cpu_count() or 1)
            start("worker", "--no-nanny", "--nthreads=1", core=core)
        address = str(json.loads(scheduler_file.read_text())["address"])
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)
        yield address


def _prepare(folder: Path, address: str, options: Options) -> float:
    """Prepares the pictures; the seconds between the command's start and its end."""
    words = [sys.executable, "-m", "digitline.cli", "prepare", "--json", "--overwrite",
             "--dataset=image_folder", f"--source_dir={folder / 'pictures'}", "--name=pictures",
             f"--image_size={options.image_size}x{options.image_size}",
             f"--data_dir={folder / 'datasets'}", "--beam_runner=dask",
             f"--beam_options=dask_client_address={address}"]  # fmt: skip
    begun = time.monotonic()
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - begun
    if sum(json.loads(done.stdout)["splits"].values()) != options.pictures:
        raise RuntimeError(f"Expected {options.pictures} images. Received: {done.stdout!r}")
    return seconds


def text(result: JsonObject) -> str:
    """A row for each number of workers."""
    rows = [
        [
            str(row["workers"]),
            ", ".join(f"{seconds:g}" for seconds in row["seconds"]),
            f"{row['pictures_per_s']:,}",
        ]
        for row in result["rows"]
    ]
    return table(["workers", "seconds", "pictures/s"], rows, range(3))


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

"""Peak memory and time of `digitline prepare` by the number of images.

  python benchmarks/prepare_memory.py

Generates CSV files and image folders of 60,000 and of 600,000 small pictures in a temporary
folder, prepares each by the command, and samples the resident memory of its processes: the sum
over all, and the largest one. The figures go to benchmarks/results/prepare-memory.json.
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.tables import table

import figures
from figures import WHAT, CommonOptions

_KINDS = ("csv", "image_folder")
_CLASSES = 10
_BLOCK = 10_000
_SAMPLING_S = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What to measure."""

    counts: tuple[str, ...] = flag(("60000", "600000"), "Numbers of images.", group=WHAT)
    kinds: tuple[str, ...] = flag(_KINDS, "What to prepare.", group=WHAT, words=_KINDS)
    beam_runner: str | None = flag(
        None,
        "Runner of Beam, such as dask (default: processes without Beam). Workers that it does not "
        "start itself are not in the memory.",
        group=WHAT,
    )
    beam_options: str = flag("", "Flags for the runner, as of prepare.", group=WHAT)
    size: int = flag(14, "Height and width of an image.", group=WHAT, at_least=4)


def run(options: Options) -> JsonObject:
    """Measures each kind and number, then writes the figures."""
    rows = []
    for kind in options.kinds:
        for count in map(int, options.counts):
            progress.say(f"{kind}, {count:,} images")
            rows.append(_measure(kind, count, options))
    packages = ("numpy", "pillow", "tensorflow", "tensorflow-datasets")
    result = {"image": f"{options.size}x{options.size}x1", "rows": rows}
    return figures.write("prepare-memory", options, packages, result)


def _measure(kind: str, count: int, options: Options) -> JsonObject:
    """Prepares `count` generated images; figures of the processes that did it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "images")
        write, flag_name = (
            (_write_csv, "source_file") if kind == "csv" else (_write_folder, "source_dir")
        )
        write(source, count, options.size)
        words = [sys.executable, "-m", "digitline.cli", "prepare", "--json", "--name=many"]
        words += [f"--dataset={kind}", f"--{flag_name}={source}", f"--data_dir={folder}/datasets"]
        if options.beam_runner:
            words.append(f"--beam_runner={options.beam_runner}")
            words.append(f"--beam_options={options.beam_options}")
        with tempfile.TemporaryFile() as out:
            start = time.monotonic()
            process = subprocess.Popen(words, stdout=out, stderr=subprocess.DEVNULL)
            peak = [0.0, 0.0, 0]
            while process.poll() is None:
                sizes = figures.resident_mb(process.pid)
                peak = list(map(max, peak, (sum(sizes), max(sizes, default=0), len(sizes))))
                time.sleep(_SAMPLING_S)
            seconds = time.monotonic() - start
            out.seek(0)
            prepared = json.loads(out.read())
        if process.returncode or sum(prepared["splits"].values()) != count:
            raise RuntimeError(f"Expected {count} images. Received: {prepared}")
        shards = len(list(Path(prepared["directory"]).glob("*-train.tfrecord-*")))
    return {
        "kind": kind,
        "images": count,
        "peak_rss_mb": round(peak[0]),
        "peak_process_rss_mb": round(peak[1]),
        "processes": peak[2],
        "seconds": round(seconds, 1),
        "images_per_s": round(count / seconds),
        "shards": shards,
    }


def _pixels(seed: int, count: int, size: int) -> np.ndarray:
    """Mostly dark, as digits are: uint8 [count, size·size]."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, size * size), np.uint8)
    return np.where(generator.random(pixels.shape) < 0.2, pixels, 0).astype(np.uint8)


def _write_csv(path: Path, count: int, size: int) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write("label," + ",".join(f"pixel{index}" for index in range(size * size)) + "\n")
        for start in range(0, count, _BLOCK):
            numbers = np.arange(start, min(start + _BLOCK, count))
            rows = np.column_stack([numbers % _CLASSES, _pixels(start, len(numbers), size)])
            np.savetxt(file, rows, "%d", ",")


def _write_folder(root: Path, count: int, size: int) -> None:
    for label in range(_CLASSES):
        (root / str(label)).mkdir(parents=True)
    for start in range(0, count, _BLOCK):
        block = _pixels(start, min(_BLOCK, count - start), size).reshape(-1, size, size)
        for number, image in enumerate(block, start):
            path = root / str(number % _CLASSES) / f"{number:07d}.bmp"
            PIL.Image.fromarray(image).save(path)


def text(result: JsonObject) -> str:
    """A row for each kind and number."""
    headers = ["kind", "images", "processes", "peak MB", "seconds", "images/s", "shards"]
    numbers = ("images", "processes", "peak_rss_mb", "seconds", "images_per_s", "shards")
    rows = [[row["kind"], *(f"{row[name]:,}" for name in numbers)] for row in result["rows"]]
    return table(headers, rows, range(1, len(headers)))


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

"""Peak memory and time of `digitline prepare` by the number of images.

  python benchmarks/prepare_memory.py

Generates CSV files and image folders of 60,000 and of 600,000 small pictures
in a temporary folder, prepares each in a process of its own, and reads that
process's peak resident memory from the system. The figures, with the command,
the versions and the date, go to benchmarks/results/prepare-memory.json.
"""

import datetime
import importlib.metadata
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image
from absl import app, flags

_COUNTS = flags.DEFINE_list("counts", ["60000", "600000"], "Numbers of images.")
_KINDS = flags.DEFINE_list("kinds", ["csv", "image_folder"], "What to prepare.")
_SIZE = flags.DEFINE_integer("size", 14, "Height and width of an image.", lower_bound=4)

_RESULTS = Path(__file__).parent / "results"
_CLASSES = 10
_BLOCK = 10_000
# macOS counts bytes, Linux KiB.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def main(_: list[str]) -> None:
    """Measures each kind and number, then writes the figures."""
    rows = []
    for kind in _KINDS.value:
        for count in map(int, _COUNTS.value):
            row = measure(kind, count, _SIZE.value)
            rows.append(row)
            print(
                f"{kind}, {count:,} images: {row['peak_rss_mb']} MB, {row['seconds']} s, "
                f"{row['images_per_s']:,} images/s, {row['shards']} shards",
                flush=True,
            )
    packages = ("apache-beam", "numpy", "pillow", "tensorflow", "tensorflow-datasets")
    figures = {
        "command": " ".join(["python benchmarks/prepare_memory.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "image": f"{_SIZE.value}x{_SIZE.value}x1",
        "rows": rows,
    }
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / "prepare-memory.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")
    print(path)


def measure(kind: str, count: int, size: int) -> dict[str, object]:
    """Prepares `count` generated images; figures of the process that did it."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "images")
        if kind == "csv":
            _write_csv(place, count, size)
            source = ["--dataset=csv", f"--source_file={place}"]
        else:
            _write_folder(place, count, size)
            source = ["--dataset=image_folder", f"--source_dir={place}"]
        command = [sys.executable, "-m", "digitline.cli", "prepare", *source, "--name=many"]
        start = time.monotonic()
        command += [f"--data_dir={folder}/datasets", "--json"]
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - start
            out.seek(0)
            result = json.loads(out.read())
        if status or sum(result["splits"].values()) != count:
            raise RuntimeError(f"Expected {count} images. Received: {result}")
        shards = len(list(Path(result["directory"]).glob("*-train.tfrecord-*")))
    return {
        "kind": kind,
        "images": count,
        "peak_rss_mb": round(usage.ru_maxrss * _RSS_UNIT / 2**20),
        "seconds": round(seconds, 1),
        "images_per_s": round(count / seconds),
        "shards": shards,
    }


def _pixels(index: int, count: int, size: int) -> np.ndarray:
    """Mostly dark, as digits are: uint8 [count, size·size]."""
    generator = np.random.default_rng(index)
    pixels = generator.integers(0, 256, (count, size * size), np.uint8)
    return np.where(generator.random(pixels.shape) < 0.2, pixels, 0).astype(np.uint8)


def _write_csv(path: Path, count: int, size: int) -> None:
    words = [str(number) for number in range(256)]
    with open(path, "w", encoding="ascii") as file:
        file.write("label," + ",".join(f"pixel{index}" for index in range(size * size)) + "\n")
        for start in range(0, count, _BLOCK):
            block = _pixels(start, min(_BLOCK, count - start), size).tolist()
            for index, row in enumerate(block):
                file.write(f"{(start + index) % _CLASSES},")
                file.write(",".join([words[value] for value in row]) + "\n")


def _write_folder(root: Path, count: int, size: int) -> None:
    """BMP files: a header that is the same for all, then the rows, padded to 4 bytes."""
    for label in range(_CLASSES):
        (root / str(label)).mkdir(parents=True)
    whole = io.BytesIO()
    PIL.Image.new("L", (size, size)).save(whole, "BMP")
    width = -(-size // 4) * 4
    header = whole.getvalue()[: -width * size]
    for start in range(0, count, _BLOCK):
        block = _pixels(start, min(_BLOCK, count - start), size).reshape(-1, size, size)
        padded = np.pad(block, ((0, 0), (0, 0), (0, width - size)))
        for index, image in enumerate(padded, start):
            path = root / str(index % _CLASSES) / f"{index:07d}.bmp"
            path.write_bytes(header + image.tobytes())


if __name__ == "__main__":
    app.run(main)

"""Preparing and training on millions of images: speed, memory, and the sizes of the files.

  python benchmarks/large_sets.py --images=6000000

Generates images of 28x28 and writes them as `digitline prepare` writes those of tables and
folders, in a temporary folder of 5 GB for 6,000,000 images; then takes training batches of 128
from it, by `--cache=file` (another 5 GB on disk) and by `--cache=memory`. Each part is a process
of its own, whose memory is sampled: all that is resident, and that without mapped files. With
`--cgroup`, `--cache=file` and `--cache=off` are measured too in that control group, whose memory is
limited to less than the files, of which nothing is in memory at first. The figures go to
benchmarks/results/large-sets.json.
"""

import contextlib
import dataclasses
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from digitline.base import command, files, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.storage import records
from digitline.base.tables import table

import figures
import generated
from figures import WHAT, CommonOptions

_CACHES = ("file", "memory")
_SAMPLING_S = 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What to measure."""

    images: int = flag(6_000_000, "Number of images.", group=WHAT, at_least=1000)
    seconds: float = flag(30.0, "How long batches are taken, by each cache.", group=WHAT)
    caches: tuple[str, ...] = flag(_CACHES, "How images are held.", group=WHAT, words=_CACHES)
    folder: Path | None = flag(
        None, "Where files go, and stay for another time (default: a temporary folder).", group=WHAT
    )
    cgroup: Path | None = flag(
        None, "A control group (version 1, of memory) for a run with a limit.", group=WHAT
    )


def run(options: Options) -> JsonObject:
    """Prepares and reads; writes the figures."""
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        result: JsonObject = {"images": options.images, "image": "28x28x1"}
        prepared = folder / "prepared.json"
        if not prepared.exists():
            progress.say(f"preparing {options.images:,} images")
            row = _measured(f"prepare(Path({str(folder)!r}), {options.images})")
            row["images_per_s"] = round(options.images / row["seconds"])
            files.write_json(prepared, row)
        result["prepare"] = records.read_json(prepared)
        shards = (folder / generated.NAME / "1.0.0").glob("*-train.tfrecord-*")
        sizes = sorted(path.stat().st_size for path in shards)
        result["shards"] = {"files": len(sizes), "bytes_least": sizes[0], "bytes_most": sizes[-1]}
        rows = []
        for cache in options.caches:
            progress.say(f"training batches, --cache={cache}")
            call = f"stream(Path({str(folder)!r}), {cache!r}, {options.seconds})"
            rows.append({"cache": cache, **_measured(call)})
        if options.cgroup:
            limit = int((options.cgroup / "memory.limit_in_bytes").read_text()) >> 20
            progress.say(f"training batches with {limit:,} MB of memory")
            for path in (*(folder / "cache").iterdir(), *folder.glob("*/*/*.tfrecord-*")):
                _forget(path)
            for cache in ("file", "off"):
                call = f"stream(Path({str(folder)!r}), {cache!r}, {options.seconds})"
                rows.append({"cache": cache, "limit_mb": limit, **_measured(call, options.cgroup)})
        result["stream"] = rows
    packages = ("numpy", "tensorflow", "tensorflow-datasets")
    return figures.write("large-sets", options, packages, result)


def _forget(path: Path) -> None:
    """Takes a file's pages out of memory, so that who reads them next is charged for them."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _measured(call: str, cgroup: Path | None = None) -> dict[str, Any]:
    """What a call in `generated` prints, with the time and memory of its processes."""
    code = f"import json, generated; from pathlib import Path; print(json.dumps(generated.{call}))"
    entered = f"echo 0 > {shlex.quote(str(cgroup / 'cgroup.procs'))}; " if cgroup else ""
    with tempfile.TemporaryFile() as out:
        start = time.monotonic()
        process = subprocess.Popen(
            ["sh", "-c", f'{entered}exec "$@"', "sh", sys.executable, "-c", code],
            stdout=out,
            cwd=Path(__file__).parent,
        )
        resident = own = 0.0
        while process.poll() is None:
            memory = _memory_mb(process.pid)
            resident, own = max(resident, memory[0]), max(own, memory[1])
            time.sleep(_SAMPLING_S)
        seconds = time.monotonic() - start
        out.seek(0)
        if process.returncode:
            raise RuntimeError(f"{call} ended with {process.returncode}")
        printed = json.loads(out.read()) or {}
    return {
        "seconds": round(seconds, 1),
        "peak_rss_mb": round(resident),
        "peak_own_mb": round(own),
        **{key: round(value, 1) for key, value in printed.items()},
    }


def _memory_mb(process_id: int) -> tuple[float, float]:
    """Resident memory of a process and of those below it, and that without mapped files."""
    resident = own = 0
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(process_id)
        for process in (first, *first.children(recursive=True)):
            memory = process.memory_info()
            resident, own = resident + memory.rss, own + memory.rss - memory.shared
    return resident / 2**20, own / 2**20


def text(result: JsonObject) -> str:
    """A row for each part."""
    rows = [("prepare", result["prepare"])]
    for row in result["stream"]:
        limit = f", {row['limit_mb']:,} MB" if "limit_mb" in row else ""
        rows.append((f"--cache={row['cache']}{limit}", row))
    names = ("seconds", "images_per_s", "peak_rss_mb", "peak_own_mb")
    return table(
        ("", "seconds", "images/s", "resident MB", "without files MB"),
        [(name, *(f"{row[key]:,}" for key in names)) for name, row in rows],
        range(1, 5),
    )


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

"""Fuzzes the readers of files, for as long as one likes.

    python tests/faults/fuzz/fuzz.py --inputs=1000000 --seconds=600 --only=idx,csv

INPUTS files, or as many as SECONDS allow, of each family that `catalogue` names. Prints what was
found, by family; --write writes it to benchmarks/results/fuzz.json, where families that are not
named stay as they are. The exit status is 1 if anything is found.
"""

import argparse
import base64
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path[:1] = [str(Path(__file__).parents[depth]) for depth in (2, 1)]

from faults.fuzz import catalogue

from digitline.base.errors import how_ended

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parents[2] / "benchmarks" / "results" / "fuzz.json"
_PACKAGES = ("atheris", "numpy", "pillow", "tensorflow", "ai-edge-litert", "google-crc32c")
# Memory, so that no disk is asked millions of times; a family is given up after so many crashes.
_MEMORY, _DEATHS = Path("/dev/shm"), 20
# What a process may take longer than it was told: TensorFlow is imported first.
_GRACE_S = 180
_COVERAGE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
# Bytes of an input that the results hold; a longer one is in the folder that is printed.
_SHOWN = 600


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked of each family."""

    inputs: int
    seconds: float
    seed: int


class Family:
    """A family of files while it is fuzzed: its folder, and the processes one after another."""

    def __init__(self, name: str, folder: Path):
        self._name, self._folder = name, folder
        for part in ("scratch", "corpus"):
            (folder / part).mkdir()
        (folder / "count").write_bytes(bytes(8))
        self._findings = folder / "findings.jsonl"
        self._log = folder / "log"

    def run(self, request: Request) -> dict[str, object]:
        """Has files read until they or the time are up; gives the results."""
        begun, deaths = time.monotonic(), 0
        while deaths < _DEATHS:
            seconds = request.seconds - (time.monotonic() - begun)
            inputs = request.inputs - self.count
            if inputs <= 0 or seconds < 1:
                break
            before = self.count
            ended = self._work(inputs, seconds, request.seed + deaths)
            if ended is None:
                break
            if self.count == before:
                raise SystemExit(f"{self._name}: the process {ended}:\n{self._said()[-3000:]}")
            deaths += 1
            self._note_death(ended)
        seconds = time.monotonic() - begun
        coverage = _COVERAGE.findall(self._said())
        return {
            "inputs": self.count,
            "seconds": round(seconds),
            "inputs_per_s": round(self.count / max(seconds, 1e-9)),
            "coverage": int(coverage[-1][0]) if coverage else None,
            "crashes": deaths,
            "findings": [self._shown(entry) for entry in self._found()],
        }

    @property
    def count(self) -> int:
        return int.from_bytes((self._folder / "count").read_bytes(), "little")

    def _work(self, inputs: int, seconds: float, seed: int) -> str | None:
        """One process; how it ended, if not well."""
        words = [self._name, self._folder, inputs, round(seconds, 1), seed]
        with open(self._log, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py"), *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", **os.environ},
            )
            try:
                status = process.wait(seconds + _GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return "did not end"
        return f"ended {how_ended(status)}" if status else None

    def _note_death(self, ended: str) -> None:
        """Makes a finding of the file that was being read."""
        target = catalogue.target(self._name)
        data = (self._folder / "scratch" / target.file).read_bytes()
        entry = {"kind": ended, "detail": self._said()[-1000:]}
        entry["input"] = base64.b64encode(data).decode()
        with open(self._findings, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _found(self) -> list[dict[str, str]]:
        if not self._findings.exists():
            return []
        return [json.loads(line) for line in self._findings.read_text().splitlines()]

    def _shown(self, entry: dict[str, str]) -> dict[str, object]:
        """A finding for the results; its input is kept, by its digest, beside temporary files."""
        data = base64.b64decode(entry["input"])
        digest = hashlib.sha256(data).hexdigest()[:16]
        kept = Path(tempfile.gettempdir()) / "digitline-fuzz"
        kept.mkdir(exist_ok=True)
        (kept / digest).write_bytes(data)
        print(f"  {entry['kind']}: {kept / digest}\n    {entry['detail'][-700:]}", flush=True)
        short = {"input": entry["input"]} if len(data) <= _SHOWN else {"sha256": digest}
        return {"kind": entry["kind"], "detail": entry["detail"][-300:], **short}


def fuzz(name: str, request: Request) -> dict[str, object]:
    """The results of one family."""
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="digitline-fuzz-", dir=parent))
    try:
        return Family(name, folder).run(request)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of each family, at most")
    parser.add_argument("--seconds", type=float, default=600, help="for each family, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(catalogue.NAMES), help="families")
    parser.add_argument("--write", action="store_true", help=f"writes {RESULTS.name}")
    options = parser.parse_args()
    request = Request(options.inputs, options.seconds, options.seed)
    facts = {
        "date": datetime.date.today().isoformat(),
        "command": f"python tests/faults/fuzz/fuzz.py --inputs={options.inputs} "
        f"--seconds={options.seconds:g} --seed={options.seed}",
        "versions": _versions(),
    }
    families = json.loads(RESULTS.read_text())["families"] if RESULTS.exists() else {}
    found = 0
    for name in options.only.split(","):
        result = fuzz(name, request)
        found += len(result["findings"])
        families[name] = {**facts, **result}
        shown = {key: value for key, value in result.items() if key != "findings"}
        print(f"{name:20}{shown}, {len(result['findings'])} findings", flush=True)
    total = {
        "inputs": sum(family["inputs"] for family in families.values()),
        "findings": sum(len(family["findings"]) for family in families.values()),
        "families": {name: families[name] for name in catalogue.NAMES if name in families},
    }
    if options.write:
        RESULTS.write_text(json.dumps(total, indent=2) + "\n")
    print(f"{total['inputs']:,} inputs in all, {found} findings now")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

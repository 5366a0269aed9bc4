"""Our server beside those that people use instead.

  python benchmarks/serving.py --saved_model=exports/saved_model/lenet5

Starts servers in turn with the same SavedModel, and drives each with the same load: requests of
one image, a fixed number of them in flight, in a closed loop. The load generator runs on the same
machine. Peers: a plain gRPC server around the signature, FastAPI with uvicorn, LitServe, BentoML
and MLServer. One whose packages are not here can be measured in an environment of its own, which
must have digitline too: --peer_python=fastapi=/path/to/python.
"""

import dataclasses
import statistics
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

import numpy as np

from digitline.base import command, progress
from digitline.base.command_flags import flag, nearest
from digitline.base.errors import UsageError, UserError
from digitline.base.files import JsonObject
from digitline.base.tables import table
from digitline.serving import artifacts

import figures
import servers
from contenders import NAMES, PEERS, contenders, empty_grpc, missing_package
from figures import WHAT


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(servers.ServedOptions):
    """What to measure."""

    servers: tuple[str, ...] = flag(
        NAMES,
        "Servers. Those whose packages are missing are listed as such.",
        group=WHAT,
        words=NAMES,
    )
    peer_python: tuple[str, ...] = flag(
        (),
        "NAME=PATH of the Python that has a peer's packages, where it is not this one; it must "
        "have digitline too.",
        group=WHAT,
    )
    seconds: float = flag(4.0, "Seconds of load for each row.", group=WHAT, at_least=0.1)
    rounds: int = flag(1, "Starts of each server; medians count.", group=WHAT, at_least=1)

    @property
    def pythons(self) -> dict[str, str]:
        """The Python of each peer that has one of its own."""
        pythons = {}
        for word in self.peer_python:
            name, _, path = word.partition("=")
            if not path:
                raise UsageError(f"--peer_python: expected NAME=PATH, got '{word}'")
            if name not in PEERS:
                raise UsageError(
                    f"--peer_python: unknown peer '{name}'{nearest(name, PEERS)} "
                    f"(choose from: {', '.join(PEERS)})"
                )
            pythons[name] = path
        return pythons


def run(options: Options) -> JsonObject:
    """Starts each server in turn, drives each with the same load, and writes the figures."""
    levels, pythons = options.levels, options.pythons
    classifier = artifacts.open_saved_model(options.saved_model)
    image = np.random.default_rng(0).integers(0, 256, (1, *classifier.image_shape), np.uint8)
    expected = classifier.run(image)["probabilities"][0]
    rows, ready, missing = [], {}, {}
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        for server in contenders(options.servers, pythons, classifier.path, Path(folder)):
            try:
                missing_package(server)
                progress.say(f"{server.name}, {server.protocol}")
                measured, ready_s = measure(server, image, expected, levels, options)
            except UserError as error:  # The others are measured all the same.
                progress.say(f"{server.name}: not measured: {error}")
                missing[server.name] = str(error)
                continue
            rows += measured
            ready.setdefault(server.name, ready_s)
    result = {
        "saved_model": str(classifier.path),
        "rows": rows,
        "ready_s": ready,
        "missing": missing,
    }
    if not rows:
        return result
    packages = ("tensorflow", "grpcio", "aiohttp", "orjson")
    result |= _references(classifier, image, options)
    return figures.write("serving", options, packages, result)


def measure(
    server: servers.Server,
    image: np.ndarray,
    expected: np.ndarray | None,
    levels: list[int],
    options: Options,
) -> tuple[list[JsonObject], float]:
    """A row for each number of requests in flight, and the seconds until the server answers."""
    loads: dict[int, list[JsonObject]] = {level: [] for level in levels}
    ready = []
    for _ in range(options.rounds):
        with servers.running(server, image, expected) as process:
            ready.append(process.ready_s)
            for level in levels:
                body = server.body(image)
                load = servers.loaded(server, process.address, body, level, options.seconds)
                load["rss_mb"] = sum(figures.resident_mb(process.process_id))
                loads[level].append(load)
    rows = []
    for level, of_rounds in loads.items():
        row = {"server": server.name, "protocol": server.protocol, "in_flight": level}
        for name in ("requests_per_s", "p50_ms", "p99_ms"):
            # A round without good answers has no times.
            values = [load[name] for load in of_rounds if load[name] is not None]
            row[name] = round(statistics.median(values), 3) if values else None
        row["errors"] = sum(load["errors"] for load in of_rounds)
        row["rss_mb"] = round(max(load["rss_mb"] for load in of_rounds)) or None
        rows.append(row)
    return rows, round(statistics.median(ready), 2)


def _references(
    classifier: artifacts.Classifier, image: np.ndarray, options: Options
) -> JsonObject:
    """What one request takes without a server, and a server without a model."""
    words = [sys.executable, "-c", "import tensorflow"]
    times = timeit.repeat(lambda: classifier.run(image), number=1, repeat=550)
    rows, _ = measure(empty_grpc(), image, None, [1], options)
    imports = timeit.repeat(
        lambda: subprocess.run(words, capture_output=True, check=True),
        number=1,
        repeat=options.rounds,
    )
    return {
        "in_process_p50_ms": round(statistics.median(times[50:]) * 1000, 3),
        "empty_grpc_p50_ms": rows[0]["p50_ms"],
        "import_tensorflow_s": round(statistics.median(imports), 2),
    }


def text(result: JsonObject) -> str:
    """The table, and what its figures are to be compared with."""
    missing = [f"{name}: not measured: {why}" for name, why in result["missing"].items()]
    if not result["rows"]:
        return "\n".join(missing)
    headers = ["server", "protocol", "in flight", "requests/s", "p50 ms", "p99 ms", "errors", "MB"]
    rows = [
        [
            *(str(row[name]) for name in ("server", "protocol", "in_flight")),
            f"{row['requests_per_s']:,.0f}",
            *(_ms(row[name]) for name in ("p50_ms", "p99_ms")),
            str(row["errors"]),
            f"{row['rss_mb'] or 0:,}",
        ]
        for row in result["rows"]
    ]
    ready = ", ".join(f"{name} {seconds} s" for name, seconds in result["ready_s"].items())
    return "\n".join(
        [
            table(headers, rows, numbers=range(2, len(headers))),
            *missing,
            "",
            f"ready: {ready}; import tensorflow by itself {result['import_tensorflow_s']} s",
            f"one call in the process {result['in_process_p50_ms']} ms, an empty gRPC round trip "
            f"{_ms(result['empty_grpc_p50_ms'], 3)} ms (medians)",
            *_ratios(result["rows"]),
        ]
    )


def _ratios(rows: list[JsonObject]) -> list[str]:
    """Our gRPC server beside the plain one, at each number of requests in flight."""
    rates = {(row["server"], row["in_flight"]): row["requests_per_s"]
             for row in rows if row["protocol"] == servers.GRPC}  # fmt: skip
    return [
        f"gRPC, {level} in flight: {rate / rates['plain_grpc', level]:.1f} times as many "
        "requests/s as the plain server"
        for (name, level), rate in rates.items()
        if name == "digitline" and rate and rates.get(("plain_grpc", level))
    ]


def _ms(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

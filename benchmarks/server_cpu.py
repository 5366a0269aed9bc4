"""What a request costs a server: its processor time, under a load generator that takes little.

  python benchmarks/server_cpu.py --saved_model=exports/saved_model/lenet5

Servers run on one core, h2load (Debian's nghttp2-client) on the other. Ours is measured over both
protocols, with and without batching, beside the plain threaded gRPC server of tutorials and an
empty grpc.aio handler that only parses and writes the same messages. Processor time is that of the
whole server process; each figure is the median over rounds in which all servers take turns.
"""

import dataclasses
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.errors import UserError
from digitline.base.files import JsonObject
from digitline.base.tables import table
from digitline.serving import artifacts

import contenders
import figures
import servers
from figures import WHAT

_EMPTY = "empty_grpc"
_SERVER_CORE, _LOAD_CORE = "1", "0"
_WARM_UP = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(servers.ServedOptions):
    """What to measure."""

    requests: int = flag(6000, "Requests for each row.", group=WHAT, at_least=100)
    rounds: int = flag(3, "Starts of each server; medians count.", group=WHAT, at_least=1)


def run(options: Options) -> JsonObject:
    """Starts the servers in turn, as often as there are rounds, and writes the figures."""
    levels = options.levels
    for program in ("h2load", "taskset"):
        if not shutil.which(program):
            raise UserError(f"{program} is not installed (Debian: nghttp2-client, util-linux)")
    classifier = artifacts.open_saved_model(options.saved_model)
    image = np.random.default_rng(0).integers(0, 256, (1, *classifier.image_shape), np.uint8)
    rounds: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        compared = _servers(classifier.path, Path(folder))
        for _ in range(options.rounds):
            for server in compared:
                progress.say(f"{server.name}, {server.protocol}")
                with servers.running(server, image, None) as process:
                    for level in levels:
                        row = (server.name, server.protocol, level)
                        body = server.body(image)
                        load = _measured(server, process, body, level, options.requests)
                        rounds.setdefault(row, []).append(load)
    rows = [
        {
            "server": name,
            "protocol": protocol,
            "in_flight": level,
            "cpu_us": round(statistics.median(cpu for cpu, _ in loads)),
            "requests_per_s": round(statistics.median(rate for _, rate in loads)),
        }
        for (name, protocol, level), loads in rounds.items()
    ]
    packages = ("tensorflow", "grpcio", "aiohttp")
    return figures.write("server_cpu", options, packages, {"rows": rows})


def _servers(saved_model: Path, folder: Path) -> list[servers.Server]:
    found = contenders.contenders(("digitline", "plain_grpc"), {}, saved_model, folder)
    ours = [server for server in found if server.name == "digitline"]
    alone = [
        dataclasses.replace(
            server, name="digitline, no batching", command=_without_batching(server)
        )
        for server in ours
    ]
    plain = [server for server in found if server.name == "plain_grpc"]
    return [_on_one_core(each) for each in (contenders.empty_grpc(), *ours, *alone, *plain)]


def _without_batching(server: servers.Server) -> servers.Command:
    return lambda port: [word for word in server.command(port) if "batching" not in word]


def _on_one_core(server: servers.Server) -> servers.Server:
    def command(port: int) -> list[str]:
        return ["taskset", "-c", _SERVER_CORE, *server.command(port)]

    return dataclasses.replace(server, command=command)


def _measured(
    server: servers.Server, process: servers.Running, body: bytes, in_flight: int, requests: int
) -> tuple[float, float]:
    """Microseconds of processor time for each request, and requests/s."""
    _load(server, process.address, body, in_flight, _WARM_UP)
    before, start = _cpu_s(process.process_id), time.monotonic()
    _load(server, process.address, body, in_flight, requests)
    seconds, cpu = time.monotonic() - start, _cpu_s(process.process_id) - before
    return cpu / requests * 1e6, requests / seconds


def _cpu_s(process_id: int) -> float:
    times = psutil.Process(process_id).cpu_times()
    return times.user + times.system


def _load(server: servers.Server, address: str, body: bytes, in_flight: int, count: int) -> None:
    """Sends requests; raises UserError unless all are answered."""
    if server.protocol == servers.GRPC:  # A message: not packed, its length, its bytes.
        body = b"\0" + len(body).to_bytes(4, "big") + body
        kind = ["-c", "1", "-m", str(in_flight), "-H", "content-type: application/grpc"]
        kind += ["-H", "te: trailers"]
    else:
        kind = ["--h1", "-c", str(in_flight), "-H", "content-type: application/json"]
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        words = ["taskset", "-c", _LOAD_CORE, "h2load", "-n", str(count), *kind, "-d", file.name]
        url = f"http://{address}{server.path}"
        done = subprocess.run([*words, url], capture_output=True, text=True, check=False)
    if not re.search(rf"\b{count} succeeded, 0 failed", done.stdout):
        raise UserError(f"{server.name}: h2load: {servers.last_line(done.stdout + done.stderr)}")


def text(result: JsonObject) -> str:
    """The table; the last column compares with the empty handler at the same number in flight."""
    empty = {row["in_flight"]: row["cpu_us"] for row in result["rows"] if row["server"] == _EMPTY}
    rows = [
        [
            *(str(row[name]) for name in ("server", "protocol", "in_flight")),
            f"{row['cpu_us']:,}",
            f"{row['requests_per_s']:,}",
            f"{row['cpu_us'] / empty[row['in_flight']]:.2f}",
        ]
        for row in result["rows"]
    ]
    titles = ["server", "protocol", "in flight", "CPU µs", "requests/s", "CPU beside empty"]
    return table(titles, rows, numbers=range(2, len(titles)))


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

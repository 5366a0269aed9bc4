"""From what was measured here to more workers, images and requests: the tables of docs/scaling.md.

  python benchmarks/scaling.py
  python benchmarks/scaling.py --network_gbit=1 --core_hour=0.03

Reads workers, pipeline, prepare-memory and server_cpu.json of benchmarks/results, and
puts its tables into docs/scaling.md, which says what the model is, in the place of those there.
"""

import dataclasses
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from digitline.base import command, files
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.storage import records

import figures

_assumed = partial(flag, group="What is assumed")
_WORKERS = (1, 2, 4, 8, 16, 32, 64)
_HOUR, _MONTH_H = 3600, 730
_DRAWN = "lenet5"  # The network of the tables of data.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(figures.CommonOptions):
    """What is assumed, and not measured."""

    page: Path = flag(
        figures.RESULTS.parents[1] / "docs/scaling.md", "Page of the tables.", group="Output"
    )
    network_gbit: float = _assumed(10.0, "Gbit/s of each machine's network.", at_least=0.01)
    latency_us: float = _assumed(100.0, "Microseconds of a message between two.", at_least=0)
    batch: int = _assumed(256, "Batch of each worker, or that they share out.", at_least=64)
    busy: float = _assumed(0.6, "Share of a server's cores in use, for peaks.", at_least=0.01)
    memory_gb: float = _assumed(16.0, "GB of a worker's memory for images.", at_least=0.1)
    core_hour: float = _assumed(0.05, "USD for an hour of a core with 4 GB.", at_least=0)
    million_objects: float = _assumed(5.0, "USD to write a million objects there.", at_least=0)
    gb_month: float = _assumed(0.025, "USD for 1 GB in a bucket for a month.", at_least=0)


class Model:
    """A step of N workers: compute, wait for the slowest, sum the gradients around a ring."""

    def __init__(self, measured: JsonObject, options: Options):
        self._options, self._rows = options, measured["steps"]
        self.bytes = {row["model"]: 4 * row["parameters"] for row in self._rows}
        pairs = [row for row in measured["sums"] if row["workers"] == 2]
        self.hop = min(row["ms"] for row in pairs) / 2e3  # Two hops of next to no bytes.
        largest = max(pairs, key=lambda row: row["bytes"])
        self.rate = largest["bytes"] / (largest["ms"] / 1e3 - 2 * self.hop)

    def compute(self, model: str, batch: float) -> float:
        """Seconds of a batch on one core: a line through what was measured."""
        rows = [row for row in self._rows if row["model"] == model]
        sizes, times = (np.array([row[name] for row in rows]) for name in ("batch", "step_ms"))
        slope, start = np.polyfit(sizes, times, 1, w=1 / times)
        return float(max(start, 0) + slope * batch) / 1e3

    def deviation(self, model: str) -> float:
        """Of the seconds of one step from another's, as a share of them."""
        return statistics.median(row["deviation"] for row in self._rows if row["model"] == model)

    def parts(self, model: str, workers: int, batch: float, cores: int = 0) -> dict[str, float]:
        """Seconds of the parts of a step with this batch for each worker.

        Args:
          cores: of the one machine that all workers are on; 0 where each has a machine.
        """
        compute, network = self.compute(model, batch), self._options.network_gbit * 1e9 / 8
        hop = self.hop + (0 if cores else self._options.latency_us / 1e6)
        rate = self.rate if cores else min(self.rate, network)
        messages, shared = 2 * (workers - 1), max(1, workers / cores) if cores else 1
        return {
            "compute": shared * compute,
            "the slowest": shared
            * compute
            * self.deviation(model)
            * math.sqrt(2 * math.log(workers)),
            "latency of the sum": shared * messages * hop,
            "bytes of the sum": shared * messages * self.bytes[model] / workers / rate,
        }

    def step(self, model: str, workers: int, batch: float, cores: int = 0) -> float:
        """Seconds of a step; as for `parts`."""
        return sum(self.parts(model, workers, batch, cores).values())


def run(options: Options) -> JsonObject:
    """Renews the tables of the page; returns them."""
    made = tables(options)
    text = options.page.read_text(encoding="utf-8")
    for name, table in made.items():
        start, end = f"<!-- table: {name} -->\n", "\n<!-- /table -->"
        pattern = re.escape(start) + ".*?" + re.escape(end)
        text = re.sub(pattern, lambda _, new=start + table + end: new, text, flags=re.DOTALL)
    files.write_text(options.page, text)
    return made


def tables(options: Options) -> dict[str, str]:
    """The tables of the page, by name, in Markdown."""
    workers, pipeline, memory, serving = (
        records.read_json(figures.RESULTS / f"{name}.json")
        for name in ("workers", "pipeline", "prepare-memory", "server_cpu")
    )
    model = Model(workers, options)
    input_rate = next(row["images_per_s"] for row in pipeline["rows"] if row["name"] == "warm")
    costs = {  # Seconds of processor time of a request, with batching.
        row["protocol"]: row["cpu_us"] / 1e6
        for row in serving["rows"]
        if row["server"] == "digitline" and row["in_flight"] == 32
    }
    return {
        "check": _check(model, workers),
        "more-images": _gains(model, lambda _: options.batch, lambda count: count),
        "same-batch": _gains(model, lambda count: options.batch / count, lambda _: 1),
        "data": _data(model, workers, memory, options),
        "serving": _serving(costs, options),
        "limits": _limits(model, input_rate, costs, options),
    }


def _check(model: Model, measured: JsonObject) -> str:
    cores, rows = int(measured["machine"].split()[0]), []
    for row in measured["several"]:
        count, ms = row["workers"], row["step_ms"]
        said = 1e3 * model.step(row["model"], count, row["batch"] / count, cores)
        rows.append((_code(row["model"]), count, f"{ms:.1f}", f"{said:.1f}", f"{ms / said:.2f}"))
    return _table(("network", "processes", "ms a step", "by the model", "measured / model"), rows)


def _gains(model: Model, batch: Callable[[int], float], batches: Callable[[int], int]) -> str:
    """How many times as fast as one worker several are, each with its batch, or batches."""
    rows = []
    for name, size in model.bytes.items():
        one = model.step(name, 1, batch(1))
        gains = (batches(count) * one / model.step(name, count, batch(count)) for count in _WORKERS)
        rows.append(
            (_code(name), f"{size / 1e3:,.0f}", f"{batch(1) / one:,.0f}", *map(_short, gains))
        )
    return _table(("network", "kB of gradients", "images/s of one", *map(str, _WORKERS)), rows)


def _data(model: Model, workers: JsonObject, memory: JsonObject, options: Options) -> str:
    """Sizes, times and costs by the number of images."""
    record = workers["dataset"]["bytes"] / workers["dataset"]["images"]
    rates = {row["kind"]: row["images_per_s"] / 2 for row in memory["rows"]}  # Of two cores.
    step = model.step(_DRAWN, 1, options.batch)
    rows = []
    for images in (6e4, 6e5, 6e6, 1e8):
        prepare_h = images / rates["image_folder"] / _HOUR
        photographs_h = prepare_h + images * workers["photograph_ms"] / 1e3 / _HOUR
        epoch_h = images / options.batch * step / _HOUR
        rows.append(
            (
                f"{images:,.0f}",
                _short(images * record / 1e9),
                f"{max(8, math.ceil(images * record / (256 << 20))):,}",
                _short(images / workers["names_per_s"] / 60),
                _short(prepare_h),
                _short(photographs_h),
                _short(images / rates["csv"] / _HOUR),
                _short(epoch_h),
                f"{math.ceil(images * 784 / 1e9 / options.memory_gb):,}",
                _short((prepare_h + 10 * epoch_h) * options.core_hour),
                _short(images * record / 1e9 * options.gb_month),
            )
        )
    headers = (
        "images, 28x28", "GB of TFRecords", "shards", "minutes to list a folder",
        "core hours: pictures prepared", "photographs", "rows of CSV", f"an epoch of `{_DRAWN}`",
        "workers to hold all in memory", "USD to prepare, and for 10 epochs", "USD a month to keep",
    )  # fmt: skip
    return _table(headers, rows)


def _serving(costs: Mapping[str, float], options: Options) -> str:
    """Cores and costs by requests of one image a second."""
    rows = []
    for rate in (1e2, 1e3, 1e4, 1e5):
        cores = [rate * costs[protocol] / options.busy for protocol in ("gRPC", "REST")]
        prices = [max(1, count) * options.core_hour * _MONTH_H for count in cores]
        rows.append((f"{rate:,.0f}", *map(_short, cores), *(f"{price:,.0f}" for price in prices)))
    headers = ("requests/s", "cores, gRPC", "REST", "USD a month, gRPC", "REST")
    return _table(headers, rows)


def _limits(model: Model, input_rate: float, costs: Mapping[str, float], options: Options) -> str:
    """Where each part ends, the first of them first."""
    batch, rows = options.batch, []
    for name in model.bytes:
        one = model.step(name, 1, batch)
        times = {count: model.step(name, count, batch / count) for count in range(1, 65)}
        best = min(times, key=lambda count: times[count])
        parts = model.parts(name, best + 1, batch / (best + 1))
        feeds = input_rate * model.compute(name, batch) / batch
        half = next(count for count in range(2, 10_000) if model.step(name, count, batch) > 2 * one)
        fastest = (
            f"{best} workers, {one / times[best]:.1f} times as fast" if best > 1 else "1 worker"
        )
        rows += [
            (f"training {_code(name)}, {batch} images shared out", fastest, _worst(parts)),
            (
                f"training {_code(name)}, {batch} images each",
                f"half of the time is lost with {half:,} workers",
                _worst(model.parts(name, half, batch)),
            ),
            (f"input of {_code(name)} by two cores", f"feeds {feeds:,.0f}", "images from memory"),
        ]
    rows += [
        (
            "images held in memory by one worker",
            f"{options.memory_gb * 1e9 / 784:,.0f}",
            f"{options.memory_gb:g} GB; then `--cache=file`, `--cache=off`",
        ),
        (
            "10⁸ pictures in a bucket, an object each",
            f"{100 * options.million_objects:,.0f} USD to write them",
            "requests, not bytes; put them into archives or CSV files",
        ),
        *(
            (
                f"a server's process, {protocol}",
                f"{1 / cost:,.0f} requests/s",
                "one event loop; then `--num_servers`, or pods",
            )
            for protocol, cost in costs.items()
        ),
    ]
    return _table(("what", "where it ends", "by what"), rows)


def _worst(parts: dict[str, float]) -> str:
    """What takes the longest, beside computing."""
    return max((name for name in parts if name != "compute"), key=lambda name: parts[name])


def _code(name: str) -> str:
    return f"`{name}`"


def _short(number: float) -> str:
    """Two digits that count."""
    if number >= 10:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 1 else f"{number:.2g}"


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


COMMAND = figures.benchmark(
    __file__, __doc__, Options, run, lambda made: "\n\n".join(map(str, made.values()))
)

if __name__ == "__main__":
    command.main(COMMAND)

"""How fast batches come, beside what others do, and where the time goes.

  python benchmarks/pipeline.py

Images per second of the tutorials' input pipeline, of ours in its first epoch from disk (cold)
and after it (warm), of a bare numpy loop, which is the practical limit, and of grain and PyTorch
where they are installed, all in one process, in turn; then the milliseconds of each step of ours.
"""

import dataclasses
import gc
import statistics
import threading
import time
import timeit
from collections.abc import Callable

import psutil

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.tables import table
from digitline.base.tf import tf
from digitline.data.dataset import open_dataset
from digitline.data.pipeline import order, records

import figures
from figures import WHAT, DatasetOptions
from pipelines import Epoch, Pipeline, Task, installed, ours

# How often the memory is looked at while a round runs, in seconds.
_MEMORY_INTERVAL_S = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(DatasetOptions):
    """What to measure."""

    dataset: str = flag("mnist", "Name of a prepared dataset.", group=WHAT)
    split: str = flag("train", "Split in TFDS's syntax.", group=WHAT)
    batch_size: int = flag(128, "Images in a batch.", group=WHAT, at_least=1)
    rounds: int = flag(7, "Epochs of each; the median counts.", group=WHAT, at_least=1)
    padding: int = flag(2, "Black pixels added on each side.", group=WHAT, at_least=0)


def run(options: Options) -> JsonObject:
    """Measures and writes the figures."""
    dataset = open_dataset(options.data_dir, options.dataset)
    task = Task(dataset, options.split, options.batch_size, options.padding)
    rows = _measure(installed(task), options.rounds)
    rounds = {row["name"]: row["rounds"] for row in rows}

    def ratio(name: str, other: str) -> float:
        """The median of the ratios in each round: the machine's pace drifts between rounds."""
        pairs = zip(rounds[name], rounds[other], strict=True)
        return statistics.median(rate / other_rate for rate, other_rate in pairs)

    compared = (("cold", "tutorial"), ("warm", "tutorial"), ("warm", "numpy"))
    result = {
        "dataset": dataset.name,
        "split": options.split,
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "rows": rows,
        "ratios": {f"{name}/{other}": ratio(name, other) for name, other in compared},
        "profile_ms": _profile(task, options.rounds),
    }
    packages = ("tensorflow", "tensorflow-datasets", "numpy")
    return figures.write("pipeline", options, packages, result)


def _measure(pipelines: list[Pipeline], rounds: int) -> list[JsonObject]:
    """A row for each pipeline; the rounds of all take turns."""
    rates: dict[str, list[float]] = {pipeline.name: [] for pipeline in pipelines}
    peaks = dict.fromkeys(rates, 0.0)
    for number in range(rounds + 1):
        for pipeline in pipelines:
            rate, peak = _timed(pipeline.epoch)
            peaks[pipeline.name] = max(peaks[pipeline.name], peak)
            if number:  # The first round warms up: files, graphs, allocators.
                rates[pipeline.name].append(rate)
        if number:
            newest = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
            progress.say(f"round {number} of {rounds}: {newest} images/s")
    return [
        {
            "name": pipeline.name,
            "what": pipeline.what,
            "images_per_s": statistics.median(rates[pipeline.name]),
            "rounds": rates[pipeline.name],
            "slowest": min(rates[pipeline.name]),
            "fastest": max(rates[pipeline.name]),
            "peak_rss_mb": peaks[pipeline.name],  # Of the whole process while it ran.
        }
        for pipeline in pipelines
    ]


def _timed(epoch: Epoch) -> tuple[float, float]:
    """Images per second of one epoch, and the process's peak memory in MB meanwhile."""
    gc.collect()
    process, peak, done = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(_MEMORY_INTERVAL_S):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    start = time.perf_counter()
    images = epoch()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return images / seconds, max(peak[0], process.memory_info().rss) / 1e6


def _profile(task: Task, rounds: int) -> dict[str, float]:
    """Milliseconds of each step of ours, each by itself: medians of the rounds."""

    def milliseconds(work: Callable[[], object], times: int = 1) -> float:
        """For one of `times` calls in each round."""
        work()
        seconds = statistics.median(timeit.repeat(work, number=times, repeat=rounds))
        return round(seconds / times * 1000, 3)

    split = task.dataset.split(task.split)
    images, labels = records.load(split)
    pick = tf.function(order.shuffled(len(labels), 0))
    positions = tf.range(32 * task.batch_size, dtype=tf.int64)
    indices = pick(positions)[1][: task.batch_size]
    gather = tf.function(lambda indices: tf.gather(images, indices))
    finish = tf.function(task.preprocess)
    batch = gather(indices)
    empty = tf.data.Dataset.range(1000).prefetch(8)
    stored = records.ordered(split.shards).batch(1024)
    read_ms = milliseconds(lambda: [None for _ in stored])
    load_ms = milliseconds(lambda: records.load(split))
    first_ms = milliseconds(lambda: next(ours(task)))
    return {
        "first epoch: read records": read_ms,
        "first epoch: parse and put together": round(load_ms - read_ms, 3),
        "first epoch: build the graph, up to the first batch": round(first_ms - load_ms, 3),
        "batch: order (of 32 batches, for one)": round(
            milliseconds(lambda: pick(positions), 100) / 32, 4
        ),
        "batch: gather": milliseconds(lambda: gather(indices), 300),
        "batch: pad, cast, scale": milliseconds(lambda: finish(batch), 300),
        "batch: hand an empty one over": milliseconds(lambda: [None for _ in empty]) / 1000,
    }


def text(result: JsonObject) -> str:
    """The table, the ratios and the steps."""
    rows = [
        [
            row["name"],
            *(f"{row[name]:,.0f}" for name in ("images_per_s", "slowest", "fastest")),
            f"{row['peak_rss_mb']:,.0f}",
            row["what"],
        ]
        for row in result["rows"]
    ]
    headers = ["", "images/s", "slowest", "fastest", "peak MB", ""]
    return "\n".join(
        [
            f"{result['dataset']} {result['split']}, batches of {result['batch_size']}, median of "
            f"{result['rounds']} epochs",
            "",
            table(headers, rows, numbers=range(1, 5)),
            "",
            *(f"{name:<14} {ratio:6.2f}" for name, ratio in result["ratios"].items()),
            "",
            *(f"{value:10.3f} ms  {name}" for name, value in result["profile_ms"].items()),
        ]
    )


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

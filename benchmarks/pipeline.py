"""The input pipeline's speed beside others', and where its time goes.

  python benchmarks/pipeline.py

Runs `digitline benchmark pipeline`, then times the steps of the first epoch
and of a batch apart; the figures go to benchmarks/results/pipeline.json.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from absl import app, flags

from benchmarks import pipeline_command as benchmark
from digitline.base import command
from digitline.base.tf import tf
from digitline.data.dataset import Dataset, open_dataset
from digitline.data.pipeline import batches as pipeline
from digitline.data.pipeline import order, records
from digitline.data.pipeline.preprocess import Preprocess

_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Epochs of each; the median counts.")

_BATCH = 128
_PACKAGES = ("tensorflow", "tensorflow-datasets", "numpy")


def _milliseconds(work: Callable[[], object], times: int = 1) -> float:
    """Median of five rounds, for one of `times` calls in each."""
    work()
    rounds = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - start) * 1000 / times)
    return round(statistics.median(rounds), 3)


def _profile(dataset: Dataset) -> dict[str, float]:
    """Milliseconds of each step, each on its own."""
    shards = dataset.shards("train")
    preprocess = Preprocess(dataset.image_shape, 32, 32, "pad")
    images, labels = records.load(dataset, "train")
    pick = tf.function(order.shuffled(len(labels), 0))
    positions = tf.range(32 * _BATCH, dtype=tf.int64)
    index = pick(positions)[1][:_BATCH]
    gather = tf.function(lambda index: tf.gather(images, index))
    finish = tf.function(preprocess)
    batch = gather(index)

    def first_batch() -> None:
        source = pipeline.Source(dataset, "train")
        next(iter(pipeline.training_batches(source, preprocess, batch_size=_BATCH, seed=0)))

    read = _milliseconds(lambda: [None for _ in records.ordered(shards).batch(1024)])
    load = _milliseconds(lambda: records.load(dataset, "train"))
    return {
        "first epoch: read records": read,
        "first epoch: parse and put together": round(load - read, 3),
        "first epoch: build the graph, up to the first batch": round(
            _milliseconds(first_batch) - load, 3
        ),
        "batch: order (of 32 batches, for one)": round(
            _milliseconds(lambda: pick(positions), 100) / 32, 4
        ),
        "batch: gather": _milliseconds(lambda: gather(index), 300),
        "batch: pad, cast, scale": _milliseconds(lambda: finish(batch), 300),
        "batch: hand an empty one over": _milliseconds(
            lambda: [None for _ in tf.data.Dataset.range(1000).prefetch(8)]
        )
        / 1000,
    }


def main(_: list[str]) -> None:
    """Measures and writes the figures."""
    flags_of_run = [f"--data_dir={_DATA_DIR.value}", f"--rounds={_ROUNDS.value}"]
    result = command.call(benchmark.COMMAND, ["pipeline", *flags_of_run])
    print(benchmark.text(result))
    profile = _profile(open_dataset(Path(_DATA_DIR.value), result["dataset"]))
    for name, milliseconds in profile.items():
        print(f"{milliseconds:10.3f} ms  {name}")
    figures = {
        "command": "python benchmarks/pipeline.py",
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        **result,
        "profile_ms": profile,
    }
    path = Path(__file__).parent / "results" / "pipeline.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)

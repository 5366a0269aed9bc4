"""What a step of training takes, on one worker and on several here, and what a sum over them takes.

  python benchmarks/workers.py
  python benchmarks/workers.py --models=lenet5 --batch_sizes=128 --steps=200

Each worker is a process with one core of its own, as long as there are cores: worker i runs on core
i modulo their number. Steps are those of `digitline train` with the network's best recipe, as its
metrics.jsonl has them; of those after the first third the quarter counts that was disturbed the
least by other work on the machine. A sum is one over all workers of as many bytes, as TensorFlow's
collectives make it over the loopback interface. Where an earlier run was faster, its figures stay:
without its file all is measured anew. benchmarks/scaling.py makes a model of more workers of it.
"""

import dataclasses
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.errors import UserError
from digitline.base.files import JsonObject
from digitline.base.storage import records
from digitline.base.tables import table
from digitline.data.dataset import open_dataset
from digitline.models import registry
from digitline.models.training.devices import local

import figures
from figures import WHAT, DatasetOptions

_OF_A_STEP = ("model", "batch", "workers")
# Bytes of the sums: a number, and about the gradients of softmax, lenet5, sharp, cnn, and more.
_SIZES = (4, 1 << 15, 1 << 18, 1 << 21, 1 << 23, 1 << 25)
_SUMS, _FILES, _PHOTOGRAPHS = 20, 50_000, 200
_MINUTES = 0.4  # Of a training, at most.
_SUMS_SCRIPT = """
import json, sys, time
import tensorflow as tf
sizes, times = json.loads(sys.argv[1]), int(sys.argv[2])
strategy = tf.distribute.MultiWorkerMirroredStrategy()
for size in sizes:
    tensor = tf.ones([size // 4])
    @tf.function
    def total():
        def of_one():
            replica = tf.distribute.get_replica_context()
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, tensor)
        return tf.reduce_sum(strategy.experimental_local_results(strategy.run(of_one))[0])
    seconds = []
    for _ in range(times):
        begun = time.perf_counter()
        total().numpy()
        seconds.append(time.perf_counter() - begun)
    print(json.dumps([size, seconds]), flush=True)
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(DatasetOptions):
    """What to measure."""

    models: tuple[str, ...] = flag(
        ("softmax", "lenet5", "cnn", "sharp"), "Networks.", group=WHAT, words=registry.NAMES
    )
    batch_sizes: tuple[str, ...] = flag(
        ("16", "64", "256"), "Batch sizes of one worker.", group=WHAT
    )
    global_batch: int = flag(256, "Batch that several workers share out.", group=WHAT, at_least=8)
    most_workers: int = flag(3, "Workers, at most.", group=WHAT, at_least=1, at_most=16)
    steps: int = flag(150, "Steps of a training, at most.", group=WHAT, at_least=30)


def run(options: Options) -> JsonObject:
    """Measures and writes the figures."""
    steps = [
        _trained(model, int(size), 1, options)
        for model in options.models
        for size in options.batch_sizes
    ]
    several = [
        _trained(model, options.global_batch, workers, options)
        for model in options.models
        for workers in range(1, options.most_workers + 1)
    ]
    sums = [row for workers in range(2, options.most_workers + 1) for row in _summed(workers)]
    dataset = open_dataset(options.data_dir, "mnist")
    path = options.output or figures.RESULTS / "workers.json"
    before = records.read_json(path) if path.exists() else {"steps": [], "several": [], "sums": []}
    measured = {
        "steps": _fastest([*before["steps"], *steps], "step_ms", *_OF_A_STEP),
        "several": _fastest([*before["several"], *several], "step_ms", *_OF_A_STEP),
        "sums": _fastest([*before["sums"], *sums], "ms", "workers", "bytes"),
        "names_per_s": round(_names_per_s()),
        "photograph_ms": round(_photograph_ms(), 2),
        "dataset": {
            "images": sum(dataset.split(name).examples for name in dataset.split_names),
            "bytes": sum(path.stat().st_size for path in dataset.directory.glob("*.tfrecord*")),
        },
    }
    return figures.write("workers", options, ("tensorflow", "keras"), measured)


def _fastest(rows: list[JsonObject], figure: str, *names: str) -> list[JsonObject]:
    """Of the rows that have the same values of these names, the one with the least figure."""
    best: dict[tuple[object, ...], JsonObject] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        if key not in best or row[figure] < best[key][figure]:
            best[key] = row
    return list(best.values())


def _trained(model: str, batch: int, workers: int, options: Options) -> JsonObject:
    """The steps of one training, as the first worker logs them."""
    progress.say(f"{model}, batch {batch}, {workers} workers")
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        arguments = (
            f"--model={model} --dataset=mnist --data_dir={options.data_dir} --workdir={folder}/run "
            f"--batch_size={batch} --max_steps={options.steps} --max_minutes={_MINUTES} --noreport "
            "--log_steps=1 --validation_epochs=1000 --validation_split=train[:1000]"
        )
        _together([sys.executable, "-m", "digitline.cli", "train", *arguments.split()], workers)
        lines = Path(folder, "run", "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        record = records.read_json(Path(folder, "run", "training.json"))
    seconds = [batch / row["images_per_s"] for row in rows[len(rows) // 3 :]]
    low, usual = _least_disturbed(seconds), statistics.median(seconds)
    return {
        "model": model,
        "parameters": record["parameters"],
        "batch": batch,
        "workers": workers,
        "step_ms": round(low * 1e3, 3),
        # Of a normal distribution with this quartile and median: long pauses count for nothing.
        "deviation": round((usual - low) / 0.6745 / usual, 3),
    }


def _summed(workers: int) -> list[JsonObject]:
    """Sums over workers, by their bytes."""
    progress.say(f"sums over {workers} workers")
    script = [sys.executable, "-c", _SUMS_SCRIPT, json.dumps(_SIZES), str(_SUMS)]
    lines = _together(script, workers).splitlines()
    return [
        {"workers": workers, "bytes": size, "ms": round(_least_disturbed(seconds[3:]) * 1e3, 3)}
        for size, seconds in map(json.loads, lines)
    ]


def _least_disturbed(seconds: list[float]) -> float:
    """What a quarter of the times are below."""
    return statistics.quantiles(seconds, n=4)[0]


def _names_per_s() -> float:
    """How fast a folder of many files is listed: names and sizes, as a source of pictures is."""
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        for number in range(_FILES):
            Path(folder, f"{number}.png").touch()
        begun = time.perf_counter()
        with os.scandir(folder) as entries:
            count = sum(entry.stat().st_size == 0 for entry in entries)
        return count / (time.perf_counter() - begun)


def _photograph_ms() -> float:
    """Processor time to decode a JPEG of 500x375 pixels, of about 60 kB, and to make it 64x64."""
    noise = np.random.default_rng(0).integers(0, 256, (47, 63, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((500, 375)).save(file, "JPEG", quality=90)
    begun = time.process_time()
    for _ in range(_PHOTOGRAPHS):
        np.asarray(Image.open(file).convert("RGB").resize((64, 64)))
    return (time.process_time() - begun) / _PHOTOGRAPHS * 1e3


def _together(words: list[str], workers: int) -> str:
    """Runs the same command as several workers; returns what the first one prints.

    Raises:
      UserError: one fails.
    """
    hosts = [f"127.0.0.1:{port}" for port in local.free_ports(workers)]
    processes = []
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        for index in range(workers):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": hosts}, "task": task})
            more = {"TF_CONFIG": config} if workers > 1 else {}
            core = index % (os.cpu_count() or 1)
            with Path(folder, f"{index}.log").open("w") as log:
                processes.append(
                    subprocess.Popen(
                        ["taskset", "--cpu-list", str(core), *words],
                        env={**os.environ, **more},
                        stdout=subprocess.PIPE if index == 0 else subprocess.DEVNULL,
                        stderr=log,
                        text=True,
                    )
                )
        try:
            printed, _ = processes[0].communicate(timeout=600)
            codes = [process.wait(timeout=60) for process in processes]
        finally:
            for process in processes:
                process.kill()
        if any(codes):
            failed = next(index for index, code in enumerate(codes) if code)
            last = Path(folder, f"{failed}.log").read_text().splitlines()[-3:]
            raise UserError(f"worker {failed} of {workers} ended with {codes[failed]}: {last}")
    return printed


def text(result: JsonObject) -> str:
    """The figures for a person."""
    rows = [
        [row["model"], *(str(row[name]) for name in ("batch", "workers", "step_ms", "deviation"))]
        for row in [*result["steps"], *result["several"]]
    ]
    headers = ("network", "batch", "workers", "ms a step", "deviation")
    sums = [[str(row[name]) for name in ("workers", "bytes", "ms")] for row in result["sums"]]
    return "\n\n".join(
        (
            table(headers, rows, numbers=range(1, 5)),
            table(("workers", "bytes of a sum", "ms"), sums, numbers=range(3)),
        )
    )


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

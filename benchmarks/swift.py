"""How long `swift` takes to 99 %, beside the article's CNN script (Keras `fit`).

  python benchmarks/swift.py

In one run, one after another: the article's CNN as its script trains it (60,000
images, Adam, batches of 128), until its accuracy on the test images is 99 % after an
epoch; its time is that of `fit` alone, without the evaluations. Then `swift` with five
seeds; its time is that of the whole training command but for the import of TensorFlow:
reading the TFRecords, tracing, training, one validation, checkpoints, and saving the
model. The figures go to benchmarks/results/swift.json.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from digitline.base import command
from digitline.base.tf import keras
from digitline.data.dataset import Dataset, open_dataset
from digitline.data.pipeline import batches as pipeline
from digitline.models import cnn, evaluate, train

_SEEDS = flags.DEFINE_integer("seeds", 5, "Trainings of swift.")
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.")

_GOAL = 0.99
_MOST_EPOCHS = 12
_PACKAGES = ("tensorflow", "keras", "numpy")


def _article(dataset: Dataset) -> list[dict[str, float]]:
    """Trains the article's CNN to the goal: seconds of `fit` and accuracy after each epoch."""
    (images, labels), (test, test_labels) = [
        [each.numpy() for each in pipeline.load(dataset, split)] for split in ("train", "test")
    ]
    images, test = images.astype(np.float32) / 255, test.astype(np.float32) / 255
    recipe = cnn.RECIPES["article"]
    keras.utils.set_random_seed(0)
    logits = cnn.build(dataset.image_shape, dataset.num_classes)
    outputs = keras.layers.Softmax()(logits.output)  # As the script has it.
    model = keras.Model(logits.input, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows: list[dict[str, float]] = []
    seconds = 0.0
    while len(rows) < _MOST_EPOCHS and not (rows and rows[-1]["accuracy"] >= _GOAL):
        start = time.perf_counter()
        model.fit(images, labels, recipe.batch_size, 1, verbose=0)
        seconds += time.perf_counter() - start
        accuracy = float(model.evaluate(test, test_labels, 500, verbose=0)[1])
        rows.append({"seconds": round(seconds, 2), "accuracy": accuracy})
        print(f"article's CNN, epoch {len(rows)}: {seconds:.1f} s, {accuracy:.2%}", flush=True)
    return rows


def _swift(seed: int, workdir: Path) -> dict[str, float]:
    data_dir = f"--data_dir={_DATA_DIR.value}"
    start = time.perf_counter()
    result = command.call(
        train.COMMAND,
        ["--model=swift", f"--seed={seed}", data_dir, f"--workdir={workdir}", "--noreport"],
    )
    seconds = time.perf_counter() - start
    accuracy = command.call(evaluate.COMMAND, [f"--workdir={workdir}", data_dir])["accuracy"]
    loop = result["seconds"]
    print(
        f"swift, seed {seed}: {seconds:.2f} s ({loop:.2f} s of steps), {accuracy:.2%}", flush=True
    )
    return {
        "seed": seed,
        "seconds": round(seconds, 2),
        "seconds_of_the_loop": round(loop, 2),
        "accuracy": accuracy,
    }


def main(_: list[str]) -> None:
    """Measures and writes the figures."""
    rows = _article(open_dataset(Path(_DATA_DIR.value), "mnist"))
    with tempfile.TemporaryDirectory() as folder:
        ours = [_swift(seed, Path(folder, str(seed))) for seed in range(_SEEDS.value)]
    seconds = statistics.median(each["seconds"] for each in ours)
    mean = statistics.mean(each["accuracy"] for each in ours)
    ratio = rows[-1]["seconds"] / seconds
    print(
        f"swift: mean {mean:.2%} in {seconds:.2f} s (median); the article's CNN: "
        f"{rows[-1]['accuracy']:.2%} in {rows[-1]['seconds']:.1f} s: {ratio:.1f} times as long"
    )
    figures = {
        "command": f"python benchmarks/swift.py --seeds={_SEEDS.value}",
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "article_cnn": rows,
        "swift": ours,
        "swift_accuracy_mean": mean,
        "swift_seconds_median": seconds,
        "ratio": round(ratio, 1),
    }
    path = Path(__file__).parent / "results" / "swift.json"
    path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)

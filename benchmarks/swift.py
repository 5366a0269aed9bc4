"""How long `swift` takes to 99 %, beside the article's CNN script (Keras `fit`).

  python benchmarks/swift.py

In one run, one after another: the article's CNN as its script trains it (60,000 images, Adam,
batches of 128), until its accuracy on the test images is 99 % after an epoch; its time is that of
`fit` only, without the evaluations. Then `swift` with five seeds; its time is that of the whole
training command but for the import of TensorFlow: reading the TFRecords, tracing, training, one
validation, checkpoints, and saving the model. The figures go to benchmarks/results/swift.json.
"""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.tf import keras
from digitline.data.dataset import Dataset, open_dataset
from digitline.data.pipeline.records import load
from digitline.models import cnn, evaluate, train

import figures
from figures import WHAT, DatasetOptions

_GOAL = 0.99


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(DatasetOptions):
    """What to measure."""

    seeds: int = flag(5, "Trainings of swift.", group=WHAT, at_least=1)
    max_epochs: int = flag(12, "Epochs of the article's CNN at most.", group=WHAT, at_least=1)


def run(options: Options) -> JsonObject:
    """Measures and writes the figures."""
    epochs = _article_cnn(open_dataset(options.data_dir, "mnist"), options.max_epochs)
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            _swift(seed, Path(folder, str(seed)), options.data_dir) for seed in range(options.seeds)
        ]
    seconds = statistics.median(row["seconds"] for row in runs)
    result = {
        "article_cnn": epochs,
        "swift": runs,
        "swift_accuracy_mean": statistics.mean(row["accuracy"] for row in runs),
        "swift_seconds_median": seconds,
        "ratio": round(epochs[-1]["seconds"] / seconds, 1),
    }
    return figures.write("swift", options, ("tensorflow", "keras", "numpy"), result)


def _article_cnn(dataset: Dataset, max_epochs: int) -> list[dict[str, float]]:
    """Trains the article's CNN to the goal: seconds of `fit` and accuracy after each epoch."""
    splits = [load(dataset.split(split)) for split in ("train", "test")]
    train_arrays, test_arrays = [
        (images.numpy().astype(np.float32) / 255, labels.numpy()) for images, labels in splits
    ]
    keras.utils.set_random_seed(0)
    logits = cnn.build(dataset.image_shape, dataset.num_classes)
    # With the softmax inside, as the script has it.
    model = keras.Model(logits.input, keras.layers.Softmax()(logits.output))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    batch_size = cnn.RECIPES["article"].batch_size
    rows: list[dict[str, float]] = []
    seconds, accuracy = 0.0, 0.0
    while len(rows) < max_epochs and accuracy < _GOAL:
        start = time.perf_counter()
        model.fit(*train_arrays, batch_size, 1, verbose=0)  # pyright: ignore[reportArgumentType]
        seconds += time.perf_counter() - start
        metrics = model.evaluate(*test_arrays, 500, verbose=0)  # pyright: ignore[reportArgumentType]
        accuracy = float(metrics[1])
        rows.append({"seconds": round(seconds, 2), "accuracy": accuracy})
        progress.say(f"article's CNN, epoch {len(rows)}: {seconds:.1f} s, {accuracy:.2%}")
    return rows


def _swift(seed: int, workdir: Path, data_dir: Path) -> dict[str, float]:
    """One training of swift: its seconds and accuracy on the test split."""
    flags = [f"--data_dir={data_dir}", f"--workdir={workdir}"]
    start = time.perf_counter()
    trained = figures.call(train.COMMAND, "--model=swift", f"--seed={seed}", "--noreport", *flags)
    seconds = time.perf_counter() - start
    accuracy = figures.call(evaluate.COMMAND, *flags)["accuracy"]
    steps = trained["seconds"]
    progress.say(f"swift, seed {seed}: {seconds:.2f} s ({steps:.2f} s of steps), {accuracy:.2%}")
    return {
        "seed": seed,
        "seconds": round(seconds, 2),
        "seconds_of_the_loop": round(steps, 2),
        "accuracy": accuracy,
    }


def text(result: JsonObject) -> str:
    """The two times, and how often the one goes into the other."""
    reached = result["article_cnn"][-1]
    return (
        f"swift: mean {result['swift_accuracy_mean']:.2%} in {result['swift_seconds_median']:.2f} "
        f"s (median); the article's CNN: {reached['accuracy']:.2%} in {reached['seconds']:.1f} s: "
        f"{result['ratio']} times as long"
    )


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

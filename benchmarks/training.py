"""The training loop beside Keras's `fit`: the same network, batch and epochs.

  python benchmarks/training.py
  python benchmarks/training.py --models=lenet5,softmax --rounds=5

Each round trains a network by its article's recipe with either side, in one process, on the same
images, with a validation after each epoch; the time is that of everything from raw pixels in
memory (Keras) or from TFRecords on disk (ours) to the trained network, tracing included, but not
the import of TensorFlow. The figures go to benchmarks/results/training.json, beside those of
networks that are not measured this time.
"""

import dataclasses
import statistics
import tempfile
import time

import numpy as np

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.storage import records
from digitline.base.tables import table
from digitline.base.tf import keras
from digitline.data.dataset import Dataset, open_dataset
from digitline.data.pipeline.records import load
from digitline.models import registry, train
from digitline.models.training.network.optimizer import make_optimizer

import figures
from figures import WHAT, DatasetOptions

_VALIDATION = "train[:5000]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(DatasetOptions):
    """What to measure."""

    models: tuple[str, ...] = flag(registry.NAMES, "Networks.", group=WHAT)
    rounds: int = flag(
        3, "Trainings of each side; the median ratio counts.", group=WHAT, at_least=1
    )
    epochs: int = flag(3, "Epochs of a training.", group=WHAT, at_least=1)
    images: int = flag(20_000, "Training images.", group=WHAT, at_least=1)

    @property
    def train_split(self) -> str:
        """The training images; those before them are for validation."""
        return f"train[5000:{5000 + self.images}]"


def run(options: Options) -> JsonObject:
    """Measures each network and writes the figures."""
    dataset = open_dataset(options.data_dir, "mnist")
    rows = {name: _compared(name, dataset, options) for name in options.models}
    path = options.output or figures.RESULTS / "training.json"
    measured_before = records.read_json(path)["rows"] if path.exists() else []
    rows = {row["model"]: row for row in measured_before} | rows
    result = {
        "command": "python benchmarks/training.py, with the flags of each row",
        "rows": [rows[name] for name in registry.NAMES if name in rows],
    }
    return figures.write("training", options, ("tensorflow", "keras", "numpy"), result)


def _compared(name: str, dataset: Dataset, options: Options) -> JsonObject:
    """The seconds of both sides in each round, and the median of their ratios."""
    keras_seconds, our_seconds = [], []
    for _ in range(options.rounds):
        keras_seconds.append(_keras_seconds(name, dataset, options))
        our_seconds.append(_our_seconds(name, options))
    pairs = zip(keras_seconds, our_seconds, strict=True)
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    progress.say(f"{name}: {ratio:.2f} times as fast")
    return {
        "model": name,
        "flags": f"--models={name} --rounds={options.rounds} --epochs={options.epochs} "
        f"--images={options.images}",
        "keras_fit_s": [round(seconds, 2) for seconds in keras_seconds],
        "digitline_s": [round(seconds, 2) for seconds in our_seconds],
        "ratio": round(ratio, 2),
    }


def _recipe(name: str) -> str:
    """The article's, where there is one."""
    return "article" if "article" in registry.get(name).RECIPES else "best"


def _keras_seconds(name: str, dataset: Dataset, options: Options) -> float:
    """As the articles' scripts do it: arrays in memory, padded and scaled, and `fit`."""
    network = registry.get(name)
    recipe = network.RECIPES[_recipe(name)]
    preprocess = registry.preprocess(network, dataset.image_shape, recipe)
    splits = [load(dataset.split(split)) for split in (options.train_split, _VALIDATION)]
    start = time.perf_counter()
    (images, labels), validation = [
        (np.asarray(preprocess(images)), labels.numpy()) for images, labels in splits
    ]
    model = network.build(preprocess.output_shape, dataset.num_classes)
    steps = recipe.total_steps(len(labels))
    optimizer = make_optimizer(recipe, steps, len(labels), model.trainable_variables)
    plain = getattr(keras.optimizers, type(optimizer).__name__)  # Keras's own, not ours.
    model.compile(
        plain.from_config(optimizer.get_config()),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        images,
        labels,
        recipe.batch_size,
        options.epochs,
        validation_data=validation,
        verbose=0,  # pyright: ignore[reportArgumentType]
    )
    return time.perf_counter() - start


def _our_seconds(name: str, options: Options) -> float:
    with tempfile.TemporaryDirectory() as workdir:
        start = time.perf_counter()
        figures.call(
            train.COMMAND,
            f"--model={name}",
            f"--recipe={_recipe(name)}",
            "--max_steps=0",
            "--noreport",
            f"--epochs={options.epochs}",
            f"--train_split={options.train_split}",
            f"--validation_split={_VALIDATION}",
            f"--data_dir={options.data_dir}",
            f"--workdir={workdir}/run",
        )
        return time.perf_counter() - start


def text(result: JsonObject) -> str:
    """Both sides' median seconds, network by network."""
    rows = [
        [
            row["model"],
            f"{statistics.median(row['keras_fit_s']):.1f}",
            f"{statistics.median(row['digitline_s']):.1f}",
            f"{row['ratio']:.2f}",
        ]
        for row in result["rows"]
    ]
    return table(["network", "Keras fit, s", "digitline, s", "times as fast"], rows, range(1, 4))


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

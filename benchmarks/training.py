"""The training loop beside Keras's `fit`: the same network, batch and epochs.

  python benchmarks/training.py
  python benchmarks/training.py --models=lenet5,softmax --rounds=5

Each round trains a network by its article's recipe with either side, in one
process, on the same images, with a validation after each epoch; the time is that of
everything from raw pixels in memory (Keras) or from TFRecords on disk (ours) to
the trained network, tracing included, but not the import of TensorFlow. The
figures go to benchmarks/results/training.json.
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
from digitline.models import registry, train
from digitline.models.training.optimizer import make_optimizer

_MODELS = flags.DEFINE_list("models", list(registry.NAMES), "Networks.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Trainings of each side; the median ratio counts.")
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Epochs of a training.")
_IMAGES = flags.DEFINE_integer("images", 20_000, "Training images.")
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.")

_PACKAGES = ("tensorflow", "keras", "numpy")
_VALIDATION = "train[:5000]"


def _recipe(name: str) -> str:
    """The article's, where there is one."""
    return "article" if "article" in registry.get(name).RECIPES else "best"


def _keras_seconds(name: str, dataset: Dataset, train_split: str) -> float:
    """As the articles' scripts do it: arrays in memory, padded and scaled, and `fit`."""
    module = registry.get(name)
    recipe = module.RECIPES[_recipe(name)]
    preprocess = module.preprocess(dataset.image_shape, recipe)
    raw = [pipeline.load(dataset, split) for split in (train_split, _VALIDATION)]
    start = time.perf_counter()
    (images, labels), (held, held_labels) = [
        (np.asarray(preprocess(images)), labels.numpy()) for images, labels in raw
    ]
    model = module.build(preprocess.output_shape, dataset.num_classes)
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
        _EPOCHS.value,
        validation_data=(held, held_labels),
        verbose=0,
    )
    return time.perf_counter() - start


def _our_seconds(name: str, train_split: str) -> float:
    with tempfile.TemporaryDirectory() as workdir:
        start = time.perf_counter()
        command.call(
            train.COMMAND,
            [
                f"--model={name}",
                f"--recipe={_recipe(name)}",
                "--max_steps=0",
                "--noreport",
                f"--epochs={_EPOCHS.value}",
                f"--train_split={train_split}",
                f"--validation_split={_VALIDATION}",
                f"--data_dir={_DATA_DIR.value}",
                f"--workdir={workdir}/run",
            ],
        )
        return time.perf_counter() - start


def main(_: list[str]) -> None:
    """Measures and writes the figures."""
    dataset = open_dataset(Path(_DATA_DIR.value), "mnist")
    split = f"train[5000:{5000 + _IMAGES.value}]"
    rows = []
    for name in _MODELS.value:
        theirs, ours = [], []
        for _ in range(_ROUNDS.value):
            theirs.append(_keras_seconds(name, dataset, split))
            ours.append(_our_seconds(name, split))
        ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
        rows.append(
            {
                "model": name,
                "flags": f"--models={name} --rounds={_ROUNDS.value} --epochs={_EPOCHS.value} "
                f"--images={_IMAGES.value}",
                "keras_fit_s": [round(each, 2) for each in theirs],
                "digitline_s": [round(each, 2) for each in ours],
                "ratio": round(ratio, 2),
            }
        )
        print(
            f"{name:<10} Keras fit {statistics.median(theirs):7.1f} s, digitline "
            f"{statistics.median(ours):7.1f} s, {ratio:.2f} times as fast",
            flush=True,
        )
    path = Path(__file__).parent / "results" / "training.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = [*(row for row in before if row["model"] not in _MODELS.value), *rows]
    figures = {
        "command": "python benchmarks/training.py, with the flags of each row",
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "rows": sorted(rows, key=lambda row: registry.NAMES.index(row["model"])),
    }
    path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    app.run(main)

"""Our networks beside Keras's tutorial on people's own pictures: 960 of four classes.

  python benchmarks/own_pictures.py
  python benchmarks/own_pictures.py --models=tiny,twoconv --sizes=64 --seeds=1 --nokeras

The pictures are drawn (scenes.py): four kinds of things on cluttered backgrounds, in folders, as
people have them. digitline prepares them with 768 to train on, 192 to validate on and 960 others to
test on; both sides read that dataset. Keras's side is the network, augmentation and 15 epochs of
https://www.tensorflow.org/tutorials/images/classification; ours is `digitline train` with nothing
but the network's name. The test split is read once for each training. The figures go to
benchmarks/results/own_pictures.json, beside those of sizes and networks that are not measured this
time.
"""

import dataclasses
import statistics
import tempfile
import time
from pathlib import Path

import drawn
import keras_tutorial
import scenes

from digitline.base import command, progress
from digitline.base.command_flags import flag
from digitline.base.files import JsonObject
from digitline.base.storage import records
from digitline.base.tables import table
from digitline.base.tf import keras, tf
from digitline.data import prepare
from digitline.data.dataset import Dataset, open_dataset
from digitline.data.pipeline.records import load
from digitline.models import evaluate, registry, train

import figures
from figures import WHAT, CommonOptions

_KERAS = "Keras's tutorial"
_PICTURES = 960


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What to measure."""

    models: tuple[str, ...] = flag(registry.NAMES, "Networks.", group=WHAT)
    keras: bool = flag(True, "Measure Keras's tutorial too.", group=WHAT)
    sizes: tuple[str, ...] = flag(("64", "128"), "Heights and widths of images.", group=WHAT)
    seeds: int = flag(3, "Trainings of each.", group=WHAT)
    folder: Path | None = flag(
        None, "Folder of pictures, datasets and runs (default: a temporary one).", group=WHAT
    )


def run(options: Options) -> JsonObject:
    """Measures each size, and writes the figures after each network."""
    names = (*[_KERAS] * options.keras, *options.models)
    path = options.output or figures.RESULTS / "own_pictures.json"
    result = records.read_json(path) if path.exists() else {"rows": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for size in map(int, options.sizes):
            dataset = _dataset(size, folder)
            for name in names:
                row = _measured(name, dataset, folder / "runs", options.seeds)
                progress.say(f"{size}x{size}, {name}: {row['test_mean']:.1%}")
                result = _written(row, result["rows"], options)
    return result


def _written(row: JsonObject, before: list[JsonObject], options: Options) -> JsonObject:
    """The figures with one more row, which takes the place of one of the same size and network."""
    rows = {(each["size"], each["network"]): each for each in (*before, row)}
    order = [_KERAS, *registry.NAMES]
    listed = sorted(rows.values(), key=lambda each: (each["size"], order.index(each["network"])))
    packages = ("tensorflow", "keras", "numpy", "pillow")
    return figures.write("own_pictures", options, packages, {"rows": listed})


def _dataset(size: int, folder: Path) -> Dataset:
    """The pictures, drawn and prepared, unless they are there."""
    name, data_dir = f"scenes{size}", folder / "datasets"
    pictures = folder / f"pictures{size}"

    def draw(place: Path) -> None:
        for seed, split in enumerate(("train", "test")):
            scenes.write(place / split, _PICTURES, size, seed)

    drawn.once(pictures, draw)
    figures.call(
        prepare.COMMAND,
        "--dataset=image_folder",
        f"--source_dir={pictures}",
        f"--image_size={size}x{size}",
        "--validation_fraction=0.2",
        f"--name={name}",
        f"--data_dir={data_dir}",
    )
    return open_dataset(data_dir, name)


def _measured(name: str, dataset: Dataset, runs: Path, seeds: int) -> JsonObject:
    """Accuracies of some trainings on the validation and the test split."""
    trainings = [
        _keras(dataset, seed) if name == _KERAS else _ours(name, dataset, runs, seed)
        for seed in range(seeds)
    ]
    validation, test, seconds = zip(*trainings, strict=True)
    return {
        "size": dataset.image_shape[0],
        "network": name,
        "validation": [round(accuracy, 4) for accuracy in validation],
        "test": [round(accuracy, 4) for accuracy in test],
        "test_mean": round(statistics.mean(test), 4),
        "seconds": round(statistics.median(seconds), 1),
    }


def _keras(dataset: Dataset, seed: int) -> tuple[float, float, float]:
    """The tutorial's second network: accuracies on validation and test, and seconds of `fit`."""
    (images, labels), validation, test = (
        load(dataset.split(split)) for split in ("train", "validation", "test")
    )
    keras.utils.set_random_seed(seed)
    model = keras_tutorial.network(dataset.image_shape, dataset.num_classes)
    start = time.perf_counter()
    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    batches = batches.shuffle(len(images), seed).batch(32).prefetch(8)
    model.fit(batches, epochs=15, verbose=0)  # pyright: ignore[reportArgumentType]
    seconds = time.perf_counter() - start
    accuracies = [
        model.evaluate(*split, 32, verbose=0)[1]  # pyright: ignore[reportArgumentType]
        for split in (validation, test)
    ]
    return float(accuracies[0]), float(accuracies[1]), seconds


def _ours(name: str, dataset: Dataset, runs: Path, seed: int) -> tuple[float, float, float]:
    """What `digitline train` and `evaluate` print."""
    workdir = f"--workdir={runs}/{dataset.name}-{name}-{seed}"
    trained = figures.call(
        train.COMMAND,
        f"--model={name}",
        f"--dataset={dataset.name}",
        f"--data_dir={dataset.directory.parent.parent}",
        f"--seed={seed}",
        workdir,
        "--noreport",
    )
    evaluated = records.read_json(Path(trained["workdir"], "evaluation.json")).get("test")
    test = (evaluated or figures.call(evaluate.COMMAND, workdir))["accuracy"]
    return trained["validation_accuracy"], test, trained["seconds"]


def text(result: JsonObject) -> str:
    """Accuracies by size and network."""
    rows = [
        [
            f"{row['size']}x{row['size']}",
            row["network"],
            f"{statistics.mean(row['validation']):.1%}",
            f"{row['test_mean']:.1%}",
            f"{min(row['test']):.1%} to {max(row['test']):.1%}",
            f"{row['seconds']:.0f}",
        ]
        for row in result["rows"]
    ]
    titles = ["images", "network", "validation", "test", "from, to", "seconds"]
    return table(titles, rows, range(2, 6))


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

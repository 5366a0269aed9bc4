"""From a folder of 1,000 pictures to a published int8 TFLite file, beside Keras's tutorial.

  python benchmarks/pictures_to_tflite.py
  python benchmarks/pictures_to_tflite.py --sets=vehicles --keras_times=3

Three folders are drawn: things amid clutter (scenes.py), materials (materials.py), vehicles in
streets (vehicles.py), and for each 600 pictures to test on, which training does not see. Ours is
`digitline train --data=FOLDER`, with no other flag, and `digitline export --formats=tflite
--tflite_variants=int8`: two processes, timed from start to end, with the ImageNet weights at hand.
Keras's side is the network, the augmentation and the size of images (180x180) of
https://www.tensorflow.org/tutorials/images/classification on the same pictures to train and to
validate on. It is trained --keras_times as long as both our processes took together, and its
weights of the best validation count. The test pictures are read once, at the end. The figures go
to benchmarks/results/pictures_to_tflite.json, beside those of sets that are not measured this time.
"""

import concurrent.futures
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import drawn
import materials
import numpy as np
import scenes
import vehicles
from keras_tutorial import Images, trained

from digitline.base import command, export_layout, progress
from digitline.base.command_flags import flag
from digitline.base.errors import UserError
from digitline.base.files import JsonObject
from digitline.base.storage import records
from digitline.base.tables import table
from digitline.base.tf import tf
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.export import latency
from digitline.models.pretrained import imagenet
from digitline.models.run.config import open_run_dataset
from digitline.models.run.folder import Run
from digitline.serving import artifacts

import figures
from figures import WHAT, CommonOptions

# Drawn smaller, `scenes` takes as long as the others: its shapes are drawn in twice the size.
_SETS = {"scenes": (scenes, 128), "materials": (materials, 200), "vehicles": (vehicles, 200)}
_TIMED = 32  # Images that latency is measured with.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What to measure."""

    sets: tuple[str, ...] = flag(tuple(_SETS), "Folders of pictures.", group=WHAT, words=_SETS)
    pictures: int = flag(1000, "Pictures to train and validate on.", group=WHAT, at_least=40)
    test_pictures: int = flag(600, "Pictures to test on.", group=WHAT, at_least=12)
    keras_times: float = flag(
        10.0, "Time of Keras's training, in times of ours in all; 0: none.", group=WHAT, at_least=0
    )
    folder: Path | None = flag(
        None, "Folder of pictures and runs (default: a temporary one).", group=WHAT
    )


@dataclasses.dataclass(frozen=True)
class Ours:
    """A published file, its run, and seconds of the two processes."""

    run: Run
    file: Path
    train_s: float
    export_s: float


def run(options: Options) -> JsonObject:
    """Measures each set, and writes the figures after each."""
    path = options.output or figures.RESULTS / "pictures_to_tflite.json"
    rows = records.read_json(path)["rows"] if path.exists() else []
    result: JsonObject = {"rows": rows}
    imagenet.fetch()
    with tempfile.TemporaryDirectory(prefix="digitline-") as temporary:
        folder = options.folder or Path(temporary)
        _draw(folder.absolute(), options)
        for name in options.sets:
            row = _measured(name, folder.absolute(), options)
            rows = [each for each in result["rows"] if each["set"] != name]
            rows = sorted([*rows, row], key=lambda each: list(_SETS).index(each["set"]))
            packages = ("tensorflow", "keras", "ai-edge-litert", "litert-quantizer")
            result = figures.write("pictures_to_tflite", options, packages, {"rows": rows})
            progress.say(text({"rows": [row]}))
    return result


def _draw(folder: Path, options: Options) -> None:
    """The pictures, unless they are there, by as many processes as there are cores."""
    with concurrent.futures.ProcessPoolExecutor() as pool:
        futures = [
            pool.submit(_draw_one, name, folder / f"{name}{suffix}", count, seed)
            for name in options.sets
            for seed, (suffix, count) in enumerate(
                (("", options.pictures), ("-test", options.test_pictures))
            )
        ]
        for future in futures:
            future.result()


def _draw_one(name: str, folder: Path, pictures: int, seed: int) -> None:
    generator, size = _SETS[name]
    drawn.once(folder, lambda place: generator.write(place, pictures, size, seed))


def _measured(name: str, folder: Path, options: Options) -> JsonObject:
    """The figures of both sides on one set."""
    ours = _ours(folder / name, folder / "work" / name)
    seconds = ours.train_s + ours.export_s
    progress.say(f"{name}: {seconds:.0f} s to a TFLite file")
    config, model = ours.run.load()
    test = _test_images(name, folder, config.preprocess.image_shape)
    classes = [
        model.predict_on_batch(config.preprocess(tf.constant(part))).argmax(1)
        for part in np.array_split(test.images, max(1, len(test.images) // 50))
    ]
    tflite = artifacts.open_tflite(ours.file)
    row = {
        "set": name,
        "classes": len(config.label_names),
        "pictures": options.pictures,
        "test_pictures": len(test.labels),
        "network": config.model,
        "seconds": round(seconds, 1),
        "train_seconds": round(ours.train_s, 1),
        "export_seconds": round(ours.export_s, 1),
        "float32": _share(np.concatenate(classes), test),
        "int8": _share(tflite.run(test.images)["probabilities"].argmax(1), test),
        "bytes": ours.file.stat().st_size,
        "image_ms": round(_milliseconds(ours.file, test.images[:_TIMED]), 1),
    }
    if not options.keras_times:
        return row
    dataset = open_run_dataset(config, folder / "work" / name / "datasets", allow_other=False)
    splits = (config.dataset.train_split, config.dataset.validation_split)
    train, validation = (
        Images(*(tensor.numpy() for tensor in load(dataset.split(split)))) for split in splits
    )
    network = trained(train, validation, options.keras_times * seconds)
    return {
        **row,
        "keras": round(network.accuracy(test), 4),
        "keras_seconds": round(network.seconds, 1),
        "keras_epochs": network.epochs,
        "keras_best_epoch": network.best_epoch,
    }


def _ours(pictures: Path, work: Path) -> Ours:
    """What a user does, in a folder that has nothing else."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run, train_s = _timed(work, "train", f"--data={pictures}")
    exported, export_s = _timed(work, "export", "--formats=tflite", "--tflite_variants=int8")
    file = work / exported["artifacts"]["tflite_int8"]
    return Ours(Run(work / run["workdir"]), file, train_s, export_s)


def _timed(work: Path, *words: str) -> tuple[JsonObject, float]:
    """What a command prints with --json, and the seconds that its process took."""
    checkout = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("TFDS_DATA_DIR", None)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "digitline.cli", *words, "--json"],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise UserError(f"digitline {' '.join(words)}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout), seconds


def _test_images(name: str, folder: Path, image_shape: tuple[int, int, int]) -> Images:
    """The pictures to test on, made as those to train on are made."""
    data_dir, dataset = folder / "work" / "test", f"{name}_test"
    figures.call(
        prepare.COMMAND,
        "--dataset=image_folder",
        f"--source_dir={folder / f'{name}-test'}",
        f"--image_size={image_shape[0]}x{image_shape[1]}",
        f"--name={dataset}",
        f"--data_dir={data_dir}",
        "--overwrite",
    )
    everything = load(open_dataset(data_dir, dataset).split("train+validation+test"))
    return Images(*(tensor.numpy() for tensor in everything))


def _share(predicted: np.ndarray, images: Images) -> float:
    return round(float((predicted == images.labels).mean()), 4)


def _milliseconds(file: Path, images: np.ndarray) -> float:
    """Of one image through LiteRT with one thread, in a process of its own: the median."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as saved:
        np.save(saved.name, images)
        words = [export_layout.TFLITE, file, 1, saved.name, latency.SECONDS]
        command_line = [sys.executable, "-m", latency.__name__, *map(str, words)]
        done = subprocess.run(command_line, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["p50_us"] / 1000


def text(result: JsonObject) -> str:
    """Both sides by set."""
    rows = [
        [
            row["set"],
            f"{row['seconds']:.0f} ({row['train_seconds']:.0f} + {row['export_seconds']:.0f})",
            f"{row['float32']:.1%}",
            f"{row['int8']:.1%}",
            f"{row['bytes'] / 1e6:.2f}",
            f"{row['image_ms']:.0f}",
            f"{row['keras']:.1%}" if "keras" in row else "–",
            f"{row['keras_seconds']:.0f}, {row['keras_epochs']}" if "keras" in row else "–",
        ]
        for row in result["rows"]
    ]
    titles = ["pictures", "seconds (train + export)", "float32", "int8", "MB", "ms an image",
              "Keras's", "seconds, epochs"]  # fmt: skip
    return table(titles, rows, range(1, 8))


COMMAND = figures.benchmark(__file__, __doc__, Options, run, text)

if __name__ == "__main__":
    command.main(COMMAND)

"""The sound exports that faults are planted in; each is made when it is first asked for."""

import numpy as np
import PIL.Image
import pytest
from faults.export.planting import Bench

from digitline.data import prepare
from digitline.export.options import ExportOptions
from digitline.models import evaluate, train

from support import call, quick_arguments

# Rows of the options of every bench.
_DEVICES = {
    "tflite_variants": ("float32", "float16", "dynamic_int8", "int8", "mediapipe"),
    "tflite_io": "int8",
    "c_header": True,
}


def _digits(data_dir, folder):
    call(train.COMMAND, quick_arguments(data_dir, folder / "run", "--epochs=6"))
    flags = [f"--workdir={folder / 'run'}", "--split=test[:12]", "--corruptions"]
    call(evaluate.COMMAND, flags)
    return ExportOptions(workdir=folder / "run", split="test[:60]", samples=3, **_DEVICES)


def _one(data_dir, folder):
    """One image of a split."""
    call(train.COMMAND, quick_arguments(data_dir, folder / "run", "--epochs=6"))
    return ExportOptions(
        workdir=folder / "run", split="test[:1]", samples=1,
        tflite_variants=("float32", "float16", "dynamic_int8", "int8"),
    )  # fmt: skip


def _onnx(data_dir, folder):
    call(train.COMMAND, quick_arguments(data_dir, folder / "run", "--epochs=6"))
    return ExportOptions(workdir=folder / "run", split="test[:60]", formats=("onnx",))


def _layers(data_dir, folder):
    """A network with batch normalization, separable convolutions and layers that Keras named."""
    more = ("--model=tiny", "--recipe=best", "--optimizer=adam", "--max_steps=20")
    call(
        train.COMMAND,
        quick_arguments(
            data_dir, folder / "run", *more, "--augment_shear=0", "--learning_rate=0.01"
        ),
    )
    return ExportOptions(
        workdir=folder / "run", split="test[:60]", tflite_variants=("float32",), samples=0
    )


def _colours(data_dir, folder):
    """Pictures in colour, dark on light."""
    generator = np.random.default_rng(0)
    for index in range(60):
        path = folder / "pictures" / f"class {index % 3}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((24, 30, 3), 235, np.uint8)
        pixels[4:20, 5:25] = generator.integers(0, 180, (16, 20, 3))
        pixels[6:14, 8:20, index % 3] //= 3
        PIL.Image.fromarray(pixels).save(path)
    call(
        prepare.COMMAND,
        [
            *("--dataset=image_folder", f"--source_dir={folder / 'pictures'}"),
            *("--image_size=12x14", "--test_fraction=0.4", "--name=scenes", "--channels=3"),
            f"--data_dir={folder / 'data'}",
        ],
    )
    call(
        train.COMMAND,
        [
            *("--model=softmax", "--dataset=scenes", f"--data_dir={folder / 'data'}"),
            *(f"--workdir={folder / 'run'}", "--max_steps=20", "--batch_size=16", "--noreport"),
        ],
    )
    return ExportOptions(
        workdir=folder / "run", dark_on_light=True, tflite_variants=("float32", "mediapipe")
    )


_MADE = {
    "digits": _digits, "one": _one, "onnx": _onnx, "layers": _layers, "colours": _colours,
}  # fmt: skip


@pytest.fixture(scope="session")
def benches(data_dir, tmp_path_factory):
    """From a name to a `Bench`."""
    made = {}

    def bench(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = Bench.of(_MADE[name](data_dir, folder), folder)
        return made[name]

    return bench

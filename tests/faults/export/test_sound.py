"""Sound exports of many networks, options and datasets; none of them is refused."""

import dataclasses

import numpy as np
import PIL.Image
import pytest

from digitline.data import prepare
from digitline.export import exporter
from digitline.models import train

from support import call, quick_arguments

pytestmark = pytest.mark.long


@dataclasses.dataclass(frozen=True)
class Pictures:
    """A dataset of pictures, generated: a folder for each class."""

    labels: tuple[str, ...]
    size: str
    channels: int = 3


OWN = {
    "odd labels": Pictures(("a|b", 'say "no"', "it's", "ünï çödé 数字", " two  words"), "32x32"),
    "two": Pictures(("yes", "no `code`"), "28x28", 1),
    "twelve": Pictures(tuple(f"class {number:02}" for number in range(12)), "64x64"),
    "oblong": Pictures(("<b>&amp;", "back\\slash", "100 %", "{{ name }}"), "30x44", 1),
}


def made(pictures, folder):
    """Prepares them."""
    generator = np.random.default_rng(len(pictures.labels))
    for number, label in enumerate(pictures.labels):
        (folder / "pictures" / label).mkdir(parents=True)
        for index in range(24):
            pixels = generator.integers(0, 120, (40, 36, 3)).astype(np.uint8)
            pixels[3 * number : 3 * number + 9, 5:30] += 90
            PIL.Image.fromarray(pixels).save(folder / "pictures" / label / f"{index}.png")
    call(
        prepare.COMMAND,
        [
            *("--dataset=image_folder", f"--source_dir={folder / 'pictures'}", "--name=own"),
            *(f"--image_size={pictures.size}", f"--channels={pictures.channels}"),
            *("--test_fraction=0.3", f"--data_dir={folder / 'data'}"),
        ],
    )
    return folder / "data"


@pytest.fixture(scope="session")
def run(data_dir, tmp_path_factory):
    """From a dataset, a network and a number of steps to a run's folder."""
    datasets, runs = {"digits": data_dir}, {}

    def trained(dataset, model, steps):
        if dataset not in datasets:
            datasets[dataset] = made(OWN[dataset], tmp_path_factory.mktemp("own"))
        key = dataset, model, steps
        if key not in runs:
            runs[key] = tmp_path_factory.mktemp("sound") / "run"
            common = quick_arguments(datasets[dataset], runs[key])
            kept = [
                each
                for each in common
                if not each.startswith(("--recipe", "--model", "--epochs", "--mean", "--std"))
            ]
            call(
                train.COMMAND,
                [
                    *kept,
                    *(f"--model={model}", "--recipe=best", f"--max_steps={steps}"),
                    *("--batch_size=32", "--augment_shear=0"),
                    *([] if dataset == "digits" else ["--dataset=own"]),
                ],
            )
        return runs[key]

    return trained


_ALL = "--tflite_variants=float32,float16,dynamic_int8,int8,mediapipe"
_INT8 = ("--formats=tflite", "--tflite_variants=int8,float32", "--tflite_io=int8", "--c_header")
EXPORTS = (
    ("digits", "softmax", 60),
    ("digits", "softmax", 60, "--split=test[:1]", _ALL),
    ("digits", "softmax", 60, "--split=test[:7]", "--tflite_batch_size=7"),
    ("digits", "softmax", 60, "--split=test", _ALL, "--samples=0"),
    ("digits", "softmax", 60, "--dark_on_light", "--formats=saved_model"),
    ("digits", "softmax", 60, *_INT8, "--model_name=INPUT_OUTPUT_classes.v1-2"),
    ("digits", "softmax", 60, "--formats=onnx,tflite", "--tflite_batch_size=3", "--split=test[:7]"),
    ("digits", "softmax", 60, "--formats=saved_model", "--samples=300", "--split=test"),
    ("digits", "mlp", 60, "--split=test", _ALL),
    ("digits", "mlp", 60, "--split=test[:1]"),
    ("digits", "mlp", 60, *_INT8, "--split=test"),
    ("digits", "mlp", 60, "--formats=tflite", "--calibration_images=200", "--split=test[:60]"),
    ("digits", "lenet5", 60, "--split=test", _ALL),
    ("digits", "lenet5", 60, "--split=test[:7]", "--tflite_batch_size=16"),
    ("digits", "lenet5", 60, *_INT8, "--split=test[:60]"),
    ("digits", "lenet5", 60, "--formats=onnx", "--split=test[:1]"),
    ("digits", "tiny", 60, "--split=test", _ALL),
    ("digits", "tiny", 60, *_INT8, "--split=test[:1]"),
    ("digits", "tiny", 60, "--formats=tflite", "--split=train[:300]"),
    ("digits", "convnet3", 20, "--split=test[:60]"),
    ("digits", "convnet3", 20, *_INT8, "--split=test[:7]"),
    *(
        ("digits", model, 1, "--formats=tflite", "--split=test[:60]", _ALL)
        for model in ("softmax", "mlp", "lenet5", "tiny", "convnet3")
    ),
    ("odd labels", "softmax", 30, _ALL),
    ("odd labels", "lenet5", 30, "--dark_on_light"),
    ("odd labels", "tiny", 30, *_INT8),
    ("odd labels", "softmax", 30, "--formats=onnx", "--split=train"),
    ("odd labels", "mlp", 30, "--samples=0", "--split=test[:1]"),
    ("two", "softmax", 30, _ALL, "--dark_on_light"),
    ("two", "lenet5", 30, "--split=test[:7]"),
    ("two", "mlp", 1, *_INT8),
    ("twelve", "softmax", 30, "--samples=2"),
    ("twelve", "convnet3", 10, "--formats=tflite", _ALL),
    ("twelve", "tiny", 20, "--tflite_batch_size=2"),
    ("twelve", "mlp", 30, *_INT8),
    ("oblong", "softmax", 30, "--formats=saved_model,tflite,onnx"),
    ("oblong", "mlp", 30, "--split=train", _ALL),
)


def test_there_are_many_of_them():
    assert len(EXPORTS) >= 40


@pytest.mark.parametrize(
    ("dataset", "model", "steps", "flags"),
    [(dataset, model, steps, flags) for dataset, model, steps, *flags in EXPORTS],
)
def test_is_published(dataset, model, steps, flags, run, tmp_path):
    workdir = run(dataset, model, steps)
    result = call(exporter.COMMAND, [f"--workdir={workdir}", f"--export_dir={tmp_path}", *flags])
    assert list(tmp_path.glob("*/*/1"))
    assert all(row["agrees"] for row in result["verification"])

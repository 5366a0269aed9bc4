"""Every network on images of other sizes and colours, through every format."""

import numpy as np
import pytest

from digitline.base.errors import UsageError
from digitline.data import prepare
from digitline.export import exporter, options
from digitline.models import registry, train

from support import call

SIZES = {
    "softmax": "128x128x3",
    "mlp": "40x60x1",
    "cnn": "32x32x3",
    "lenet5": "64x64x3",
    "convnet3": "64x64x3",
    "lenet3x3": "128x128x3",
    "twoconv": "40x60x1",
    "swift": "128x128x3",
    "tiny": "40x60x1",
    "sharp": "64x64x3",
}


def prepared(size, folder, counts=(600, 200)):
    """A dataset of four classes: noise, and a brighter quarter."""
    height, width, channels = map(int, size.split("x"))
    draw = np.random.default_rng(0)
    arrays = {}
    for split, count in zip(("train", "test"), counts, strict=True):
        labels = np.arange(count) % 4
        images = draw.integers(0, 200, (count, height, width, channels))
        for image, label in zip(images, labels, strict=True):
            top, left = label // 2 * height // 2, label % 2 * width // 2
            image[top : top + height // 3, left : left + width // 3] += draw.integers(20, 55)
        arrays |= {f"x_{split}": images.astype(np.uint8), f"y_{split}": labels}
    folder.mkdir(exist_ok=True)
    np.savez(folder / "images.npz", **arrays)
    source = f"--source_file={folder / 'images.npz'}"
    call(prepare.COMMAND, ["--dataset=npz", "--name=own", source, f"--data_dir={folder / 'data'}"])


def trained(name, folder, *more):
    arguments = [
        f"--model={name}", "--dataset=own", f"--data_dir={folder / 'data'}",
        f"--workdir={folder / name}", "--noreport", *more,
    ]  # fmt: skip
    return call(train.COMMAND, arguments)


@pytest.mark.parametrize(("name", "side"), [("mlp", 260), ("cnn", 300)])
def test_refuses_images_too_large_to_be_exported(name, side, tmp_path):
    prepared(f"{side}x{side}x3", tmp_path, (40, 4))
    with pytest.raises(UsageError, match=rf"={name} cannot take images {side}x.*,\d+ weights, and"):
        trained(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", registry.NAMES)
def test_every_format_agrees(name, tmp_path):
    prepared(SIZES[name], tmp_path)
    trained(name, tmp_path, "--max_steps=200", "--epochs=1000", "--batch_size=32")
    variants = ",".join(options.VARIANTS)
    run = [f"--workdir={tmp_path / name}", f"--export_dir={tmp_path / 'exports'}"]
    call(exporter.COMMAND, [*run, f"--tflite_variants={variants}"])
    call(exporter.COMMAND, [*run, "--formats=tflite", "--tflite_variants=int8", "--tflite_io=int8"])

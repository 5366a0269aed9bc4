"""The entrance for files: what people send gets the class of the image made of it."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import VerificationError
from digitline.base.pictures import decode
from digitline.data import prepare, source_files
from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.export.formats import saved_model
from digitline.export.functions import TrainedModel
from digitline.export.gate.claims import sources
from digitline.export.gate.reference import ask_model
from digitline.export.pictures import picture
from digitline.models import registry

from support import call

KINDS = ("png", "jpg", "gif", "bmp")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A dataset of photographs in colour, and an untrained model of it."""
    root = tmp_path_factory.mktemp("sources")
    generator = np.random.default_rng(0)
    for index in range(48):
        path = root / "pictures" / f"class {index % 2}" / f"{index}.{KINDS[index % 4]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = generator.integers(0, 256, (5, 7, 3)).astype(np.uint8)
        image = PIL.Image.fromarray(colour).resize((45, 31), PIL.Image.Resampling.BICUBIC)
        exif = PIL.Image.Exif()
        exif[0x0112] = 6
        options = {"exif": exif} if path.suffix == ".jpg" else {}
        image.save(path, **options)
    call(
        prepare.COMMAND,
        [
            *("--dataset=image_folder", f"--source_dir={root / 'pictures'}", "--image_size=12x14"),
            *("--channels=1", "--test_fraction=0.4", "--name=scenes", f"--data_dir={root / 'd'}"),
        ],
    )
    dataset = open_dataset(root / "d", "scenes")
    split = dataset.split("test")
    images, labels = (tensor.numpy() for tensor in load(split))
    network = registry.get("softmax")
    preprocess = registry.preprocess(network, dataset.image_shape, network.RECIPES["best"])
    model = network.build(preprocess.output_shape, 2)
    weights = generator.normal(0, 1, (12 * 14, 2))  # How bright it is does not decide the class.
    model.set_weights([weights - weights.mean(axis=0), np.zeros(2)])
    trained = TrainedModel(model, preprocess, dataset.label_names, dataset.pictures)
    return SimpleNamespace(split=split, reference=ask_model(trained, images, labels, images))


def written(made, folder):
    saved_model.write(made.reference.trained, folder)
    return {"saved_model": folder}


@pytest.fixture(scope="module")
def folders(made, tmp_path_factory):
    return written(made, tmp_path_factory.mktemp("export") / "saved_model")


def test_lists_say_which_file_became_which_image(made):
    sampled = source_files.sample(made.split, 500)
    assert [file.index for file in sampled] == list(range(made.split.examples))
    assert {file.state for file in sampled} == {"same"}
    for file in sampled:
        image = decode.load(file.path, made.split.dataset.pictures)
        np.testing.assert_array_equal(image, made.reference.split.images[file.index])
    spread = [file.index for file in source_files.sample(made.split, 5)]
    assert len(spread) == 5
    assert max(np.diff(spread)) <= made.split.examples // 5 + 1
    part = source_files.sample(made.split.cut(3, 9), 500)
    assert [file.path for file in part] == [file.path for file in sampled[3:9]]
    half = made.split.dataset.split("test[50%: by class]")
    for file, image in zip(source_files.sample(half, 500), load(half)[0].numpy(), strict=True):
        np.testing.assert_array_equal(decode.load(file.path, half.dataset.pictures), image)


def test_every_file_gets_the_class_of_its_image(made, folders):
    checked = sources.check(made.split, made.reference, folders)
    count = made.split.examples
    assert (checked.files, checked.decoded, checked.first) == (count, count, ())


def test_files_that_are_gone_or_changed_or_not_decoded_are_counted(made, folders, monkeypatch):
    sampled = source_files.sample(made.split, 500)
    first, second, third, *others = sampled
    tiff = first.path.with_suffix(".tif")
    PIL.Image.open(third.path).convert("L").save(tiff)
    monkeypatch.setattr(decode, "load", lambda path, config: images[path])
    images = {file.path: made.reference.split.images[file.index] for file in sampled}
    images[tiff] = images[third.path]
    status = tiff.stat()
    replaced = [
        dataclasses.replace(first, path=first.path.with_suffix(".gone")),
        dataclasses.replace(second, size=1),
        dataclasses.replace(third, path=tiff, size=status.st_size, time=status.st_mtime_ns),
        *others,
    ]
    monkeypatch.setattr(source_files, "sample", lambda *_: replaced)
    checked = sources.check(made.split, made.reference, folders)
    assert (checked.gone, checked.changed, checked.not_decoded) == (1, 1, 1)
    assert len(checked.first) == 3
    assert checked.decoded == checked.files - 1 == made.split.examples - 3
    tiff.unlink()


def test_refuses_a_graph_that_prepares_otherwise(made, tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "_GREY", (0, 0, 65536))
    monkeypatch.setattr(picture, "loader", picture.loader.__wrapped__)  # One of its own.
    with pytest.raises(VerificationError, match=r"class \d.*: predict_bytes answers class \d"):
        sources.check(made.split, made.reference, written(made, tmp_path / "made"))


def test_refuses_a_file_with_other_pixels(made, folders):
    images = made.reference.split.images.copy()
    images[1] ^= 255
    reference = ask_model(made.reference.trained, images, made.reference.split.labels, images)
    with pytest.raises(VerificationError, match=r"class \d.\d+\.\w+: its pixels are not those"):
        sources.check(made.split, reference, folders)


def test_refuses_another_record_of_pictures(made, folders, tmp_path):
    trained = made.reference.trained
    other = dataclasses.replace(trained.pictures, fit="stretch")
    reference = dataclasses.replace(
        made.reference, trained=dataclasses.replace(trained, pictures=other)
    )
    with pytest.raises(VerificationError, match=r"pictures by .*'pad'.* the dataset by .*stretch"):
        sources.check(made.split, reference, folders)


def test_a_dataset_without_lists_is_left_alone(made, folders):
    dataset = made.split.dataset
    older = dataclasses.replace(dataset.metadata, files_root=None)
    split = dataclasses.replace(dataset, metadata=older).split("test")
    assert sources.check(split, made.reference, folders) is None

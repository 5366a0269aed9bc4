import hashlib
import io
import re

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.base.tf import tfds
from digitline.data import inspect, prepare
from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.data.preparation import by_tfds
from digitline.data.sources import tfds_folder
from digitline.models import evaluate, train

from support import call


class TinyColour(tfds.core.GeneratorBasedBuilder):
    """A registered dataset of TFDS's kind: colour, PNG, two splits."""

    name = "tiny_colour"
    VERSION = tfds.core.Version("2.1.0")
    address: str | None = None

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(12, 10, 3)),
                "label": tfds.features.ClassLabel(names=["red", "green", "blue"]),
                "id": np.int64,
            }
        )
        return tfds.core.DatasetInfo(
            builder=self, features=features, supervised_keys=("image", "label")
        )

    def _split_generators(self, dl_manager):
        shade = int(dl_manager.download(self.address).read_text()) if self.address else 200
        return {
            "train": self._generate_examples(90, shade),
            "test": self._generate_examples(30, shade),
        }

    def _generate_examples(self, count, shade):
        for index in range(count):
            image = np.random.default_rng(index).integers(0, 40, (12, 10, 3)).astype(np.uint8)
            image[..., index % 3] += np.uint8(shade)
            yield index, {"image": image, "label": index % 3, "id": index}


class Sorted(TinyColour):
    """Class by class, as many datasets are; of one class there is one image."""

    name = "sorted_colours"

    def _info(self):
        features = super()._info().features
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _generate_examples(self, count, shade):
        labels = np.repeat([0, 1, 2], [60, 29, 1])
        examples = (example for _, example in super()._generate_examples(count, shade))
        by_class = sorted(examples, key=lambda example: example["label"])
        for index, (label, example) in enumerate(zip(labels, by_class, strict=False)):
            yield index, {**example, "label": label}


class Animated(TinyColour):
    """Picture files as they are, of a kind that TFDS does not write itself."""

    name = "animated"

    def _generate_examples(self, count, shade):
        frames = [PIL.Image.new("RGB", (10, 12), (number, shade, 0)) for number in range(9)]
        for index in range(count):
            file = io.BytesIO()
            frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
            file.seek(0)
            yield index, {"image": file, "label": index % 3, "id": index}


class NoImages(TinyColour):
    name = "no_images"

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"x": np.int64})
        )


class MixedSizes(TinyColour):
    name = "mixed_sizes"

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(num_classes=3),
            }
        )
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        del dl_manager
        return {"train": self._generate_examples(90, 200)}

    def _generate_examples(self, count, shade):
        for index, example in super()._generate_examples(count, shade):
            rows = 1 + index % 3
            yield index, {"image": np.tile(example["image"], (rows, 2, 1)), "label": index % 3}


def run(folder, name, *more):
    return call(
        prepare.COMMAND, [f"--dataset={name}", f"--data_dir={folder}", "--num_shards=2", *more]
    )


def colours(folder):
    """Whether each training image's brightest channel is its label."""
    made = open_dataset(folder, "tiny_colour")
    assert made.encoding == "encoded"
    images, labels = load(made.split("train"))
    return bool((images.numpy().mean((1, 2)).argmax(1) == labels.numpy()).all())


def test_tfds_prepares_it(tmp_path):
    result = run(tmp_path, "tiny_colour")
    assert result["splits"] == {"train": 90, "test": 30}
    assert result["version"] == "2.1.0"
    assert result["image_shape"] == [12, 10, 3]
    assert result["class_counts"] == {"train": [30, 30, 30], "test": [10, 10, 10]}
    assert len(open_dataset(tmp_path, "tiny_colour").split("train").shards) == 2
    assert [path.name for path in (tmp_path / "tiny_colour").iterdir() if path.is_dir()] == [
        "2.1.0"
    ]
    assert colours(tmp_path)
    assert run(tmp_path, "tiny_colour")["reused"]
    assert not run(tmp_path, "tiny_colour", "--overwrite")["reused"]


def test_a_folder_that_tfds_made_is_used_as_it_is(tmp_path):
    TinyColour(data_dir=tmp_path).download_and_prepare()
    result = run(tmp_path, "tiny_colour")
    assert result["reused"]
    assert colours(tmp_path)
    arguments = ["--model=softmax", "--dataset=tiny_colour", "--max_steps=1", "--noreport"]
    where = [f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}"]
    assert call(train.COMMAND, [*arguments, *where])["dataset"] == "tiny_colour"


def test_rejects_pictures_that_tensorflow_does_not_decode_safely(tmp_path):
    Animated(data_dir=tmp_path).download_and_prepare()
    with pytest.raises(DataError, match=r"record 0: .*not PNG, JPEG, GIF or BMP; .*--image_size="):
        load(open_dataset(tmp_path, "animated").split("test"))
    run(tmp_path, "animated", "--image_size=12x10")
    assert load(open_dataset(tmp_path, "animated_12x10").split("test"))[0].shape == (30, 12, 10, 3)


def test_a_folder_sorted_by_class_is_validated_on_all_classes(tmp_path, capsys):
    Sorted(data_dir=tmp_path).download_and_prepare()
    arguments = ["--model=softmax", "--dataset=sorted_colours", "--max_steps=1", "--noreport"]
    arguments += [f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}"]
    with pytest.raises(UsageError, match=r"validation_split=train\[:10%\] .* 9 images are of one"):
        call(
            train.COMMAND,
            [*arguments, "--train_split=train[10%:]", "--validation_split=train[:10%]"],
        )
    result = call(train.COMMAND, arguments)
    said = capsys.readouterr().err
    assert "train[:10% by class] has no image of 1 of the 3 classes: blue (1 in train)\n" in said
    assert re.search(
        r"^test has no image of 2 .* one class \(red\), so its figures mean", said, re.M
    )
    split = open_dataset(tmp_path, "sorted_colours").split(result["validation_split"])
    assert np.bincount(load(split)[1], minlength=3).tolist() == [6, 3, 0]
    figures = call(
        evaluate.COMMAND, [f"--workdir={tmp_path / 'run'}", "--split=train[:10% by class]"]
    )
    assert figures["accuracy"] == result["validation_accuracy"]
    assert (figures["examples"], figures["loss"]) == (9, result["validation_loss"])
    options = inspect.InspectOptions(
        dataset="sorted_colours", data_dir=tmp_path, output_dir=tmp_path / "charts", samples=0
    )
    inspection = inspect.run(options)
    assert inspect.to_json(inspection)["default_splits"] == {
        "train[10%: by class]": 81,
        "train[:10% by class]": 9,
    }
    said = inspect.text(inspection)
    assert "default train[10%: by class] (81) is trained on, train[:10% by class] (9) vali" in said
    assert "to validate on, has no image of 1 of the 3 classes: blue" in said


def test_downloads_once_the_host_answers(web, tmp_path, monkeypatch):
    (tmp_path / "web" / "shade.txt").write_text("150")
    address = f"{web}shade.txt"
    digest = hashlib.sha256(b"150").hexdigest()
    info = tfds.download.checksums.UrlInfo(size=3, checksum=digest, filename="shade.txt")
    monkeypatch.setattr(TinyColour, "address", address)
    monkeypatch.setattr(TinyColour, "url_infos", {address: info}, raising=False)
    asked = []
    probe = by_tfds.probe
    monkeypatch.setattr(by_tfds, "probe", lambda url: asked.append(url) or probe(url))
    run(tmp_path, "tiny_colour")
    assert asked == [address]
    assert colours(tmp_path)
    # A download that is something else is refused, and the dataset stays.
    (tmp_path / "web" / "shade.txt").write_text("999")
    with pytest.raises(DataError, match="could not prepare tiny_colour: "):
        run(tmp_path, "tiny_colour", "--overwrite")
    assert colours(tmp_path)


def test_does_not_wait_for_a_host_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(TinyColour, "url_infos", {"http://127.0.0.1:9/x": None}, raising=False)
    with pytest.raises(DataError, match=r"could not prepare tiny_colour: 127.0.0.1:9 cannot be"):
        run(tmp_path, "tiny_colour")
    assert not (tmp_path / "tiny_colour").exists()


@pytest.mark.parametrize("kind", [RuntimeError, OSError])  # requests' errors are of the latter.
def test_an_error_of_tfds_is_one_line(kind, tmp_path, monkeypatch):
    def fails(*_):
        raise kind("the page has changed\nand more")

    monkeypatch.setattr(TinyColour, "_split_generators", fails)
    with pytest.raises(
        DataError, match=r"could not prepare tiny_colour: the page has changed\. Be"
    ):
        run(tmp_path, "tiny_colour")
    assert not (tmp_path / "tiny_colour").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny_color", r"not known; did you mean tiny_colour\?"),
        ("no_images", "expected the features image and label .* got x"),
        (
            "mixed_sizes",
            r"its pictures differ in size: give them all one size with --image_size=HxW",
        ),
        ("tiny_colour/large", "--dataset=tiny_colour/large: "),
    ],
)
def test_rejects_datasets_that_are_not_images_and_labels(name, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        run(tmp_path, name)


def test_pictures_of_many_sizes_get_one(tmp_path):
    result = run(tmp_path, "mixed_sizes", "--image_size=8x6")
    assert result["dataset"] == "mixed_sizes_8x6"
    assert result["image_shape"] == [8, 6, 3]
    # A tenth of each class goes to either: TFDS has but one split of it.
    assert result["splits"] == {"train": 72, "validation": 9, "test": 9}
    made = open_dataset(tmp_path, "mixed_sizes_8x6")
    for split in result["splits"]:
        images, labels = load(made.split(split))
        assert (images.numpy().mean((1, 2)).argmax(1) == labels.numpy()).all()
        assert (np.bincount(labels) == result["splits"][split] // 3).all()
    assert run(tmp_path, "mixed_sizes", "--image_size=8x6")["reused"]
    for path in (tmp_path / "mixed_sizes" / "2.1.0").glob("*.tfrecord-*"):
        path.touch()  # As a shard that was prepared again.
    with pytest.raises(DataError, match=r"mixed_sizes has changed since .*: replace that one with"):
        run(tmp_path, "mixed_sizes", "--image_size=8x6")
    again = run(tmp_path, "mixed_sizes", "--image_size=8x6", "--overwrite")
    assert again["fingerprint"] == result["fingerprint"]
    grey = run(tmp_path, "mixed_sizes", "--image_size=5", "--channels=1", "--name=grey")
    assert grey["image_shape"] == [5, 5, 1]
    with pytest.raises(DataError, match=r"digitline prepare .* --image_size=64x64"):
        open_dataset(tmp_path, "mixed_sizes")


def test_a_damaged_picture_is_named_or_left_out(tmp_path, monkeypatch):
    MixedSizes(data_dir=tmp_path).download_and_prepare()
    (shard,) = (tmp_path / "mixed_sizes" / "2.1.0").glob("*.tfrecord-*")
    contents = list(tfds_folder.tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    with tfds_folder.tf.io.TFRecordWriter(str(shard)) as writer:
        for number, content in enumerate(contents):
            writer.write(content.replace(b"IHDR", b"JHDR") if number == 7 else content)
    with pytest.raises(DataError, match=r"mixed_sizes-train.*, record 7: .*max_corrupt_images"):
        run(tmp_path, "mixed_sizes", "--image_size=8x6")
    result = run(tmp_path, "mixed_sizes", "--image_size=8x6", "--max_corrupt_images=1")
    assert result["corrupt_images"] == 1
    assert sum(result["splits"].values()) == 89
    shard.write_bytes(shard.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"mixed_sizes-train.*, record 89: "):
        run(tmp_path, "mixed_sizes", "--image_size=8x6", "--overwrite")

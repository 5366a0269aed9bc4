import re
import shutil

import numpy as np
import PIL.Image
import pytest

from digitline.base import command as commands
from digitline.base.errors import DataError
from digitline.data import inspect
from digitline.data.dataset import open_dataset
from digitline.data.inspection import anomalies, duplicates
from digitline.data.inspection.samples import Sample
from digitline.data.inspection.text import text_bars, text_samples
from digitline.data.pipeline.records import load

from support import DATASET, call

NAMES = ("cat", "a dog with a very long name indeed", "$x$ and $y$", "never seen")


def store(data_dir, splits, names=NAMES):
    """A dataset that TFDS itself writes: by split, uint8 [N, H, W, C] and labels."""
    from digitline.base.tf import tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=splits["train"][0].shape[1:]),
            "label": tfds.features.ClassLabel(names=list(names)),
        }
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name="colours",
        version="1.0.0",
        data_dir=data_dir,
        features=features,
        split_datasets={
            name: [
                (index, {"image": image, "label": int(label)})
                for index, (image, label) in enumerate(zip(*arrays, strict=True))
            ]
            for name, arrays in splits.items()
        },
        disable_shuffling=True,
    )


def noise(count, seed, channels=3):
    images = np.random.default_rng(seed).integers(0, 256, (count, 8, 12, channels), np.uint8)
    return images, np.arange(count) % 3


def look(data_dir, output_dir, *more, name="colours"):
    return call(
        inspect.COMMAND,
        [f"--dataset={name}", f"--data_dir={data_dir}", f"--output_dir={output_dir}", *more],
    )


def failed(result):
    return [check["name"] for check in result["checks"] if not check["passed"]]


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    """A colour dataset with one of each flaw, and what the survey sees in it."""
    folder = tmp_path_factory.mktemp("flawed")
    train, test = noise(30, 1), noise(9, 2)
    train[0][20] = train[0][5]  # Label 2 both: repeated in train.
    test[0][4] = train[0][7]  # Label 1 both: leaked.
    test[0][6] = train[0][8]  # Labels 0 and 2: leaked and conflicting.
    train[0][11] = (200, 10, 10)  # All red.
    test[0][0] = 0
    store(folder, {"train": train, "test": test})
    return folder, train, test, look(folder, folder / "charts")


def test_figures_against_numpy(dataset, data_dir, tmp_path):
    result = look(data_dir, tmp_path, name=DATASET)
    images, labels = (tensor.numpy() for tensor in load(dataset.split("train")))
    assert result["splits"]["train"]["examples"] == 1200
    assert result["splits"]["train"]["label_counts"] == np.bincount(labels).tolist()
    assert result["splits"]["test"]["examples"] == 300
    assert result["mean"] == pytest.approx([images.mean() / 255])
    assert result["std"] == pytest.approx([images.std() / 255])
    assert result["splits"]["train"]["repeated"] == 1200 - len(np.unique(images, axis=0))
    assert failed(result) == []
    assert result["errors"] == []


def test_every_flaw_is_found_where_it_is(flawed):
    _, train, _, result = flawed
    assert failed(result) == ["every_class", "leakage", "conflicting_labels", "blank_images"]
    assert len(result["errors"]) == 4
    assert result["mean"] == pytest.approx((train[0] / 255).mean((0, 1, 2)).tolist())
    assert result["std"] == pytest.approx((train[0] / 255).std((0, 1, 2)).tolist())

    def place(split, index, label):
        return {"split": split, "index": index, "label": label}

    assert result["blank"] == [place("train", 11, 2), place("test", 0, 0)]
    assert result["duplicates"] == [
        {"images": 2, "labels_agree": True, "places": (place("train", 5, 2), place("train", 20, 2))}
    ]
    assert [group["places"] for group in result["leaks"]] == [
        (place("train", 7, 1), place("test", 4, 1)),
        (place("train", 8, 2), place("test", 6, 0)),
    ]
    assert result["counts"] == {"duplicates": 1, "leaks": 2, "conflicts": 1}
    assert [group["labels_agree"] for group in result["leaks"]] == [True, False]
    assert [group["places"][0]["index"] for group in result["conflicts"]] == [8]
    counts = {
        name: (split["repeated"], split["leaked"]) for name, split in result["splits"].items()
    }
    assert counts == {"train": (1, 2), "test": (0, 2)}


def test_messages_name_the_images(flawed):
    errors = "\n".join(flawed[3]["errors"])
    assert "train has no image of 1 of the 4 classes: never seen" in errors
    assert "images in more than one split, which makes figures on them too good: 2 (" in errors
    assert "(train 7 = test 4 (label 1), train 8 (label 2) = test 6 (label 0))" in errors
    assert "equal images with different labels: 1 (train 8 (label 2) = test 6 (label 0))" in errors
    assert "2 of 39 images are blank" in errors
    notes = "\n".join(flawed[3]["notes"])
    assert "train: 1 of 30 images equal an earlier one of the same split" in notes
    assert "test: 2 of 9 images (22.22%) are in another split too" in notes


def test_the_text_says_what_is_there_and_what_is_wrong(flawed, tmp_path):
    arguments = ["--dataset=colours", f"--data_dir={flawed[0]}", f"--output_dir={tmp_path}"]
    inspection = commands.call(inspect.COMMAND, arguments)
    assert list(inspect.COMMAND.errors(inspection)) == flawed[3]["errors"]  # The exit status is 1.
    text = inspect.text(inspection)
    assert "images 8x12x3, 4 classes" in text
    assert "FAILED  2 of 39 images are blank" in text
    assert "a dog with a very l… " in text
    assert "next:" not in text


def test_the_png_files(flawed, tmp_path):
    folder, _, _, result = flawed
    names = ["labels.png", "samples-train.png", "samples-test.png"]
    assert result["files"] == [str(folder / "charts" / name) for name in names]
    for path in result["files"]:
        with PIL.Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert min(picture.size) > 150
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 10
    assert sorted(path.name for path in (folder / "charts").iterdir()) == sorted(names)
    assert look(folder, tmp_path, "--samples=0")["files"] == [str(tmp_path / names[0])]


def test_labels_out_of_range_are_listed(tmp_path):
    import tensorflow as tf

    store(tmp_path, {"train": noise(30, 1), "test": noise(9, 2)}, NAMES[:3])
    assert failed(look(tmp_path, tmp_path / "charts")) == []
    (shard,) = tmp_path.glob("colours/1.0.0/*train.tfrecord*")
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    for index, label in ((4, 3), (9, -1)):
        example = tf.train.Example.FromString(records[index])
        example.features.feature["label"].int64_list.value[:] = [label]
        records[index] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record)
    result = look(tmp_path, tmp_path / "charts")
    assert failed(result) == ["label_range"]
    assert (
        "2 of 39 labels are none of the 3 classes: train 4 (label 3), train 9 (label -1)"
        in (result["errors"][0])
    )
    assert result["splits"]["train"]["label_counts"] == [9, 9, 10]
    assert result["splits"]["train"]["labels_out_of_range"] == 2


def test_a_class_that_only_the_test_split_lacks_is_a_note(tmp_path):
    images, labels = noise(9, 2, channels=1)
    store(tmp_path, {"train": noise(30, 1, channels=1), "test": (images, labels * 0)}, NAMES[:3])
    result = look(tmp_path, tmp_path / "charts")
    assert result["errors"] == []
    assert result["splits"]["test"]["missing_labels"] == [1, 2]
    trained_on = result["splits"]["train"]["label_counts"]
    named = ", ".join(f"{NAMES[label]} ({trained_on[label]} in train)" for label in (1, 2))
    only = f"; all are of one class ({NAMES[0]}), so its figures mean nothing"
    assert f"test has no image of 2 of the 3 classes: {named}{only}" in result["notes"]


def test_a_damaged_shard_is_one_error(flawed, tmp_path):
    shutil.copytree(flawed[0] / "colours", tmp_path / "colours")
    (shard,) = tmp_path.glob("colours/1.0.0/*train.tfrecord*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(shard))}, record .*"):
        look(tmp_path, tmp_path / "charts")


def test_raw_images_of_another_size_are_not_taken_for_others(data_dir, tmp_path):
    import tensorflow as tf

    shutil.copytree(data_dir / DATASET, tmp_path / DATASET)
    shard = min(tmp_path.glob(f"{DATASET}/1.0.0/*train.tfrecord*"))
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    for index in (3, 4):  # Together as long as one: the batch's length still divides.
        example = tf.train.Example.FromString(records[index])
        pixels = example.features.feature["image"].bytes_list.value
        pixels[:] = [pixels[0][:392]]
        records[index] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record)
    with pytest.raises(DataError, match=r"record 3: Input to reshape is a tensor with 392 values"):
        look(tmp_path, tmp_path / "charts", name=DATASET)


@pytest.mark.parametrize("part", [1, 7, 50, 1 << 22])
def test_duplicates_are_found_whatever_the_size_of_the_parts(part, monkeypatch):
    monkeypatch.setattr(duplicates, "_PART", part)
    rng = np.random.default_rng(5)
    images = rng.integers(0, 2, (300, 2, 3, 1), np.uint8) * 255
    keys = duplicates.keys_of(images, rng.integers(0, 2, 300))
    assert keys.itemsize == 16
    found = {tuple(members) for members in duplicates._equal(keys)}
    by_content = {}
    for index, image in enumerate(images):
        by_content.setdefault(image.tobytes(), []).append(index)
    assert found == {tuple(group) for group in by_content.values() if len(group) > 1}


def test_long_lists_are_cut_and_everything_is_counted(monkeypatch):
    monkeypatch.setattr(duplicates, "LISTED", 3)
    images = np.repeat(np.arange(20, dtype=np.uint8), 50).reshape(1000, 1, 1, 1)
    keys = duplicates.keys_of(images, np.zeros(1000, np.int64))
    found = duplicates.find(keys, {"train": 990, "test": 10})
    assert found.counts == {"duplicates": 20, "leaks": 1, "conflicts": 0}
    assert found.repeated == {"train": 970, "test": 9}
    assert found.leaked == {"train": 40, "test": 10}
    assert len(found.groups["duplicates"]) == 3
    assert len(found.groups["leaks"][0].places) == 20  # Ten of each split.
    assert found.groups["leaks"][0].images == 50


# Of four classes, one is empty: its share is not given to the others.
@pytest.mark.parametrize(("samples", "of_each"), [(30, 8), (5, 2), (4, 1)])
def test_samples_are_even_over_the_classes_and_follow_the_seed(samples, of_each, flawed):
    folder, train, _, _ = flawed
    dataset = open_dataset(folder, "colours")
    picked, again, other = (
        anomalies.survey([dataset.split("train")], samples, seed)[0]["train"].samples
        for seed in (3, 3, 4)
    )
    assert [sample.index for sample in picked] == [sample.index for sample in again]
    assert [sample.index for sample in picked] != [sample.index for sample in other]
    for sample in picked:
        np.testing.assert_array_equal(sample.image, train[0][sample.index])
        assert sample.label == train[1][sample.index]
    assert len({sample.index for sample in picked}) == len(picked)
    in_turn = [0, 1, 2] * of_each
    assert [sample.label for sample in picked] == in_turn[:samples]


def test_text_bars_hold_the_counts_and_fit_a_terminal():
    counts = {"train": [5923, 0, 1], "test": [1, 2, 3]}
    lines = text_bars(["zero", "one", "two"], counts)
    assert lines[0].split() == ["label", "train", "test"]
    assert lines[2].split()[2:] == ["5,923", lines[2].split()[3], "1"]
    assert lines[3].split()[:2] == ["one", "0"]
    assert lines[4].split()[:3] == ["two", "▏", "1"]
    assert max(map(len, lines)) <= 88
    many = text_bars([str(i) for i in range(100)], {"train": list(range(100))})
    assert len(many) == 43
    assert many[-1] == "the 20 largest and smallest of 100 classes"


def test_a_preview_shows_the_image():
    image = np.zeros((28, 28, 1), np.uint8)
    image[:14, 14:] = 255
    lines = text_samples([Sample(7, 0, image)], ["corner"])
    assert lines[0] == "corner #7"
    assert lines[1:] == [" " * 14 + "█" * 14] * 7

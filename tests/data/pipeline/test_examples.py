"""A record has to be of its dataset: its label one of the classes, its picture of their size."""

import dataclasses
import shutil
import struct

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.base.tf import tf
from digitline.base.tfrecord import contents, framed, image_example
from digitline.data.dataset import open_dataset
from digitline.data.pipeline import cache_file, salvage
from digitline.data.pipeline.batches import Batching, training_batches
from digitline.data.pipeline.preprocess import Preprocess
from digitline.data.pipeline.records import load
from digitline.models.training.input import naming_damage

from support import DATASET

PREPROCESS = Preprocess((28, 28, 1), 28, 28)
RECORD, OUTSIDE = 7, (10, -1, 2**62)


def relabel(shard, record, label):
    """Gives a record another label, and the checksums that go with it."""
    found = list(contents(shard, 400))
    example = tf.train.Example.FromString(found[record])
    example.features.feature["label"].int64_list.value[:] = [label]
    found[record] = example.SerializeToString()
    shard.write_bytes(b"".join(map(framed, found)))


@pytest.fixture
def others(data_dir, tmp_path):
    """A dataset whose files nobody vouches for, and the second of its training shards."""
    (folder,) = data_dir.glob(f"{DATASET}/*.*.*")
    copy = tmp_path / "others" / DATASET / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("metadata.json"))
    info = copy / "dataset_info.json"
    info.write_text(info.read_text().replace('"digitline.', '"others.'))
    dataset = open_dataset(tmp_path / "others", DATASET)
    assert not dataset.metadata.files
    return dataset, copy / f"{DATASET}-train.tfrecord-00001-of-00003"


@pytest.mark.parametrize("label", OUTSIDE[:2])
def test_a_label_that_is_none_of_the_classes_is_named(label, others):
    dataset, shard = others
    relabel(shard, RECORD, label)
    for split in (dataset.split("train"), dataset.split("train[400:800]")):
        with pytest.raises(DataError) as caught:
            load(split)
        assert str(caught.value).startswith(
            f"{shard}, record {RECORD}: its label, {label}, is none of the 10 classes, 0 to 9; "
        )
    load(dataset.split("train[:400]"))  # Others are sound.


@pytest.mark.parametrize("cache", ["file", "off"])
def test_it_is_named_in_training_however_it_reads(cache, others, tmp_path):
    dataset, shard = others
    relabel(shard, RECORD, 10)
    split = dataset.split("train")
    batching = Batching(batch_size=100, seed=0, cache=cache, cache_dir=tmp_path)
    with (
        pytest.raises(DataError, match=rf"-00001-of-00003, record {RECORD}: its label, 10, is"),
        naming_damage([split]),
    ):
        list(training_batches(split, PREPROCESS, batching).take(12))
    assert not list(tmp_path.glob("*.cache"))


def test_it_is_left_out_as_other_damage_is(others, tmp_path):
    dataset, shard = others
    for record, label in zip((3, 50, 399), OUTSIDE, strict=True):
        relabel(shard, record, label)
    (split,), lost = salvage.usable([dataset.split("train")], 3, tmp_path / "salvaged")
    assert [line.partition(", ")[2].partition(" is none")[0] for line in lost] == [
        f"record {record}: its label, {label},"
        for record, label in zip((3, 50, 399), OUTSIDE, strict=True)
    ]
    assert len(load(split)[0]) == 1197
    with pytest.raises(DataError, match=r"more than --max_corrupt_records=2 .*record 399"):
        salvage.usable([dataset.split("train")], 2, tmp_path / "salvaged")


def test_it_is_named_where_the_last_release_cached_it(others, tmp_path):
    dataset, shard = others
    relabel(shard, RECORD, 10)
    split = dataset.split("train")
    size = split.examples * (28 * 28 + 8)

    def write(file):
        file.write(bytes(size - 8) + struct.pack("<q", 10))

    path = tmp_path / f"{DATASET}-{cache_file.key([split])}.cache"
    cache_file.make(path, size, write)
    with pytest.raises(DataError, match=rf"record {RECORD}: its label, 10, is none"):
        cache_file.load([split], tmp_path)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (tf.io.encode_png(np.zeros((8, 4, 1), np.uint8)).numpy(), r"its picture is \[8 4 1\], not"),
        (b"RIFF....WEBP", "a picture that is not PNG, JPEG, GIF or BMP"),
    ],
    ids=["of another size", "of another kind"],
)
def test_another_picture_than_the_dataset_says_is_named(content, cause, others, tmp_path):
    dataset, _ = others
    good = tf.io.encode_png(np.zeros((4, 4, 1), np.uint8)).numpy()
    path = tmp_path / "shard"
    path.write_bytes(b"".join(framed(image_example(image, 1)) for image in (good, content, good)))
    dataset = dataclasses.replace(dataset, image_shape=(4, 4, 1), encoding="encoded")
    split = dataset.split("train").cut(0, 3)
    shards = (dataclasses.replace(split.shards[0], path=str(path)),)
    with pytest.raises(DataError, match=rf"^{path}, record 1: {cause}"):
        load(dataclasses.replace(split, dataset=dataset, shards=shards))

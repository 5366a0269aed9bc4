import dataclasses
import itertools
import os
import shutil

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.base.process import temporary
from digitline.base.tf import tf
from digitline.data.dataset import open_dataset
from digitline.data.pipeline import salvage
from digitline.data.pipeline.augment import Augment
from digitline.data.pipeline.batches import (
    CACHES,
    Batching,
    evaluation_batches,
    training_batches,
)
from digitline.data.pipeline.preprocess import Preprocess
from digitline.data.pipeline.records import load

from support import DATASET

PREPROCESS = Preprocess((28, 28, 1), 28, 28)
# Does not divide 1,200: batches span epochs.
BATCH = 64
# A file is read as memory is, by `test_a_file_gives_what_memory_gives`.
STREAM_AND_MEMORY = [
    pytest.param(cache, marks=pytest.mark.long if cache == "file" else ()) for cache in CACHES
]


def batches(dataset, count, tmp_path, cache="memory", start_step=0, worker=(0, 1), **options):
    given = {"batch_size": BATCH, "seed": 3, "cache": cache, "cache_dir": tmp_path, **options}
    split = dataset.split("train").of_worker(*worker)
    stream = training_batches(split, PREPROCESS, Batching(**given), start_step)
    return list(stream.take(count).as_numpy_iterator())


def keys(found):
    """One number for each image, to tell them apart."""
    weights = np.random.default_rng(0).random((28, 28, 1))
    return np.concatenate([(images * weights).sum((1, 2, 3)) for images, _ in found])


@pytest.fixture(scope="module")
def all_keys(dataset):
    images, labels = load(dataset.split("train"))
    return np.sort(keys([(PREPROCESS(images).numpy(), labels)]))


def test_load_gives_the_original_order(dataset, test_images):
    images, labels = load(dataset.split("test"))
    np.testing.assert_array_equal(images, test_images[0])
    np.testing.assert_array_equal(labels, test_images[1])
    part, _ = load(dataset.split("test[90:210]"))  # Crosses two shards' borders.
    np.testing.assert_array_equal(part, test_images[0][90:210])


@pytest.mark.parametrize("cache", CACHES)
def test_every_epoch_holds_every_image_once_in_another_order(cache, dataset, tmp_path, all_keys):
    found = keys(batches(dataset, 60, tmp_path, cache))  # 3,840 images: three epochs and more.
    epochs = [found[at : at + 1200] for at in (0, 1200, 2400)]
    for epoch in epochs:
        np.testing.assert_allclose(np.sort(epoch), all_keys, rtol=1e-5)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])
    # Shuffled well: neighbours in the file are not neighbours here.
    assert abs(np.corrcoef(epochs[0], all_keys)[0, 1]) < 0.2


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("cache", ["off", "memory"])
def test_a_seed_that_the_process_has_set_changes_nothing(cache, seed, dataset, tmp_path):
    expected = keys(batches(dataset, 20, tmp_path, cache))  # More than an epoch.
    tf.random.set_seed(seed)
    try:
        found = keys(batches(dataset, 20, tmp_path, cache))
        resumed = keys(batches(dataset, 4, tmp_path, cache, start_step=16))
    finally:
        tf.random.set_seed(None)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(resumed, expected[16 * BATCH :])


@pytest.mark.parametrize("cache", STREAM_AND_MEMORY)
def test_a_part_of_each_class(cache, dataset, tmp_path):
    """Picked records are read as neighbours are: in order, once in each epoch, and resumed."""
    whole, labels = (tensor.numpy() for tensor in load(dataset.split("train")))
    split = dataset.split("train[:10% by class]")
    numbers = [400 * at + n for at, shard in enumerate(split.shards) for n in shard.numbers]
    images, picked = load(split)
    np.testing.assert_array_equal(images, whole[numbers])
    np.testing.assert_array_equal(picked, labels[numbers])
    np.testing.assert_array_equal(load(split.cut(30, 90))[0], whole[numbers][30:90])
    workers = [load(split.of_worker(index, 3))[0] for index in range(3)]
    np.testing.assert_array_equal(np.concatenate(workers), images)
    expected = np.sort(keys([(PREPROCESS(images).numpy(), picked)]))
    given = {"batch_size": 17, "seed": 3, "cache": cache, "cache_dir": tmp_path}  # 119 images.
    stream = training_batches(split, PREPROCESS, Batching(**given))
    found = list(stream.take(14).as_numpy_iterator())
    for epoch in (found[:7], found[7:]):
        np.testing.assert_allclose(np.sort(keys(epoch)), expected, rtol=1e-5)
    rest = training_batches(split, PREPROCESS, Batching(**given), 5)
    np.testing.assert_array_equal(next(rest.as_numpy_iterator())[0], found[5][0])


# Step 18 is the batch that spans the first two epochs.
@pytest.mark.parametrize("starts", [(18, 40), pytest.param((1, 19), marks=pytest.mark.long)])
@pytest.mark.parametrize("cache", CACHES)
def test_a_stream_from_a_step_is_the_rest_of_the_whole_one(cache, starts, dataset, tmp_path):
    whole = batches(dataset, 45, tmp_path / "a", cache)
    for start in starts:
        rest = batches(dataset, 45 - start, tmp_path / "b", cache, start_step=start)
        for expected, found in zip(whole[start:], rest, strict=True):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("cache", STREAM_AND_MEMORY)
def test_the_rows_of_three_workers_are_the_whole_batch(cache, dataset, tmp_path):
    given = {
        "cache": cache,
        "start_step": 17,
        "augment": Augment(shift=2, rotate=9, shear=5, elastic=1),
    }
    whole = batches(dataset, 4, tmp_path, **given)
    ends = (0, 21, 42, 64)
    parts = [batches(dataset, 4, tmp_path, rows=rows, **given) for rows in itertools.pairwise(ends)]
    for batch, *shares in zip(whole, *parts, strict=True):
        for expected, *found in zip(batch, *shares, strict=True):
            np.testing.assert_array_equal(np.concatenate(found), expected)


@pytest.mark.parametrize("rows", [(0, 65), (-1, 4), (4, 4)])
def test_rows_are_of_the_batch(rows):
    with pytest.raises(ValueError, match=r"Expected rows of a batch of 64 images. Received: \("):
        Batching(batch_size=64, seed=0, rows=rows)


@pytest.mark.parametrize("cache", CACHES)
def test_the_seed_decides_the_order(cache, dataset, tmp_path):
    first, again, other = (
        keys(batches(dataset, 5, tmp_path, cache, seed=seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_stay_with_their_images(dataset, tmp_path):
    images, labels = load(dataset.split("train"))
    label_of = dict(zip(keys([(PREPROCESS(images).numpy(), 0)]), labels.numpy(), strict=True))
    for cache in CACHES:
        found = batches(dataset, 19, tmp_path, cache)
        for key, label in zip(keys(found), np.concatenate([b for _, b in found]), strict=True):
            assert label_of[key] == label


@pytest.mark.parametrize("batch_size", [1, 7, 100, 299, 300, 5000])
def test_evaluation_sees_every_image_once_whatever_the_batch(batch_size, dataset, test_images):
    found = list(evaluation_batches(dataset.split("test"), PREPROCESS, batch_size))
    np.testing.assert_array_equal(np.concatenate([b for _, b in found]), test_images[1])
    images = np.concatenate([a for a, _ in found])
    np.testing.assert_allclose(images, test_images[0] / 255, atol=1e-6)


def test_an_interrupted_cache_file_is_built_again(dataset, tmp_path, capsys):
    expected = keys(batches(dataset, 40, tmp_path / "whole", "file"))
    (whole,) = (tmp_path / "whole").glob("*.cache")
    cut = tmp_path / "cut" / f"{temporary.TEMPORARY}7-{whole.name}"  # What a kill leaves.
    cut.parent.mkdir()
    cut.write_bytes(whole.read_bytes()[:1000])
    np.testing.assert_array_equal(keys(batches(dataset, 40, cut.parent, "file")), expected)
    assert "was left incomplete, or is damaged; building it again" in capsys.readouterr().err
    assert [path.name for path in cut.parent.iterdir()] == [whole.name]


@pytest.fixture
def damaged(data_dir, tmp_path):
    """A copy of the dataset, and the path of its second training shard."""
    shutil.copytree(data_dir, tmp_path / "damaged")
    copy = open_dataset(tmp_path / "damaged", DATASET)
    return copy, copy.directory / f"{DATASET}-train.tfrecord-00001-of-00003"


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


def record_size(path):
    return len(path.read_bytes()) // 400


DAMAGE = {
    "flipped byte": (lambda path: flip(path, 100 * record_size(path) + 60), ", record 100:"),
    "flipped length": (lambda path: flip(path, 7 * record_size(path)), ", record 7:"),
    "cut in a record": (
        lambda path: path.write_bytes(path.read_bytes()[: 50 * record_size(path) + 9]),
        ", record 50:",
    ),
    "cut between records": (
        lambda path: path.write_bytes(path.read_bytes()[: 50 * record_size(path)]),
        ", record 50: it ends early",
    ),
    "missing": (lambda path: path.unlink(), ": the file is missing"),
}


def damages(*often):
    """Names of DAMAGE; `make test` tries these, and each kind is one of some test."""
    return [pytest.param(name, marks=() if name in often else pytest.mark.long) for name in DAMAGE]


@pytest.mark.parametrize("name", damages("flipped byte", "cut between records", "missing"))
def test_a_damaged_shard_is_named_with_its_record(name, damaged):
    dataset, shard = damaged
    damage, where = DAMAGE[name]
    damage(shard)
    with pytest.raises(DataError) as loading:
        load(dataset.split("train"))
    with pytest.raises(DataError) as evaluating:
        list(evaluation_batches(dataset.split("train"), PREPROCESS, 100))
    for error in (loading, evaluating):
        assert f"{shard}{where}" in str(error.value)
    load(dataset.split("train[:400]"))  # The other shards are whole.


def test_a_record_without_its_features(damaged):
    import tensorflow as tf

    dataset, shard = damaged
    records = list(tf.data.TFRecordDataset(str(shard)))
    records[9] = tf.constant(tf.train.Example().SerializeToString())
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record.numpy())
    with pytest.raises(DataError, match=r"00001-of-00003, record 9: .*image"):
        load(dataset.split("train"))


def test_worker_parts_are_disjoint_and_complete(dataset, tmp_path, all_keys):
    for workers in (2, 4):  # More than there are shards, too.
        found = []
        for index in range(workers):
            part = 1200 * (index + 1) // workers - 1200 * index // workers
            stream = batches(dataset, 1, tmp_path, "off", batch_size=part, worker=(index, workers))
            found.append(keys(stream))
        np.testing.assert_allclose(np.sort(np.concatenate(found)), all_keys, rtol=1e-5)


def test_a_workers_epochs_hold_only_its_part(dataset, tmp_path):
    for cache in CACHES:
        options = {"batch_size": 400, "worker": (1, 3)}
        first, second, other = (
            set(keys([batch]).round(8))
            for batch in [
                *batches(dataset, 2, tmp_path / cache, cache, **options),
                *batches(dataset, 1, tmp_path / cache, cache, batch_size=400, worker=(2, 3)),
            ]
        )
        assert first == second
        assert not first & other


def test_skip_and_take(dataset, test_images):
    split = dataset.split("test").cut(90, 130)
    stream = training_batches(split, PREPROCESS, Batching(batch_size=40, seed=0))
    images, labels = next(iter(stream))
    np.testing.assert_array_equal(np.sort(labels), np.sort(test_images[1][90:130]))
    assert images.shape == (40, 28, 28, 1)


def test_balanced_classes(dataset, tmp_path):
    found = batches(dataset, 25, tmp_path, batch_size=400, balance_classes=True)
    counts = np.bincount(np.concatenate([labels for _, labels in found]))
    assert counts.min() == counts.max() == 1000  # In 10 blocks of 1,000.
    again = batches(dataset, 20, tmp_path, batch_size=400, balance_classes=True, start_step=5)
    np.testing.assert_array_equal(again[0][0], found[5][0])


def weighted(dataset, weights):
    """As many of the splits as there are weights."""
    pairs = zip(("train", "test"), weights, strict=False)
    return [dataclasses.replace(dataset.split(name), weight=weight) for name, weight in pairs]


def test_a_mix_by_weight(dataset, tmp_path, all_keys, test_images):
    splits = weighted(dataset, (3, 1))
    stream = training_batches(splits, PREPROCESS, Batching(batch_size=1000, seed=1))
    found = [keys([batch]) for batch in stream.take(4).as_numpy_iterator()]
    train = set(all_keys.round(8))
    for each in found:
        assert sum(key in train for key in each.round(8)) == 750
    # Each is gone through evenly: 1,000 draws of 300 test images, each 3 or 4 times.
    rest = [key for key in np.concatenate(found).round(8) if key not in train]
    _, times = np.unique(rest, return_counts=True)
    assert len(times) == 300
    assert set(times) == {3, 4}


def test_rejects_picking_images_from_a_stream(dataset, tmp_path):
    with pytest.raises(UsageError, match="use --cache=memory or --cache=file, not off"):
        batches(dataset, 1, tmp_path, "off", balance_classes=True)


@pytest.mark.parametrize("more", [{}, {"balance_classes": True}, {"weights": (3, 1)}])
def test_a_file_gives_what_memory_gives(more, dataset, tmp_path):
    """Mixed and balanced too, and across a restart."""
    splits = weighted(dataset, more.get("weights", (1,)))
    balance = more.get("balance_classes", False)
    given = {"batch_size": BATCH, "seed": 3, "cache_dir": tmp_path, "balance_classes": balance}
    for start in (0, 25):
        memory, file = (
            training_batches(splits, PREPROCESS, Batching(cache=cache, **given), start)
            for cache in ("memory", "file")
        )
        pairs = zip(memory.take(30).as_numpy_iterator(), file.as_numpy_iterator(), strict=False)
        for expected, found in pairs:
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


def truncate(path):
    os.truncate(path, 100_000)


def turn_a_bit(place):
    def turn(path):
        flip(path, place)

    return turn


def make_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [truncate, turn_a_bit(5000), turn_a_bit(-20), make_a_folder])
def test_a_damaged_cache_file_is_built_again(damage, dataset, tmp_path, capsys):
    expected = keys(batches(dataset, 20, tmp_path, "file"))
    (path,) = tmp_path.glob("*.cache")
    damage(path)
    np.testing.assert_array_equal(keys(batches(dataset, 20, tmp_path, "file")), expected)
    assert "was left incomplete, or is damaged; building it again" in capsys.readouterr().err


@pytest.mark.parametrize("cache", STREAM_AND_MEMORY)
def test_augmented_images_are_the_same_on_every_run_and_after_a_resume(cache, dataset, tmp_path):
    augment = Augment(shift=2, rotate=20, elastic=1, flip=True)
    whole = batches(dataset, 40, tmp_path, cache, augment=augment)
    rest = batches(dataset, 20, tmp_path, cache, augment=augment, start_step=20)
    for expected, found in zip(whole[20:], rest, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
    plain = batches(dataset, 1, tmp_path, cache)
    np.testing.assert_array_equal(plain[0][1], whole[0][1])
    assert np.abs(plain[0][0] - whole[0][0]).mean() > 0.01


def salvage_of(dataset, max_corrupt, folder):
    ((split,), lost) = salvage.usable([dataset.split("train")], max_corrupt, folder)
    return split, lost


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("flipped byte", 1),
        ("flipped length", 393),
        pytest.param("cut in a record", 350, marks=pytest.mark.long),
        pytest.param("cut between records", 350, marks=pytest.mark.long),
        ("missing", 400),
    ],
)
def test_what_is_left_of_a_damaged_shard(name, count, damaged, tmp_path):
    dataset, shard = damaged
    whole, _ = load(dataset.split("train"))
    DAMAGE[name][0](shard)
    kept, lost = salvage_of(dataset, 500, tmp_path / "salvaged")
    assert len(lost) == count
    assert lost[0].startswith(f"{shard}, record ")
    images, _ = load(kept)
    first = int(lost[0].split("record ")[1].split(":")[0])
    expected = np.delete(whole, np.arange(400 + first, 400 + first + count), axis=0)
    np.testing.assert_array_equal(images, expected)
    if count > 1:  # With 0 nothing is checked.
        message = rf"more than --max_corrupt_records={count - 1} records"
        with pytest.raises(DataError, match=message):
            salvage_of(dataset, count - 1, tmp_path / "salvaged")


@pytest.mark.parametrize("name", damages("flipped byte", "cut in a record"))
def test_damage_in_a_part_of_each_class(name, damaged, tmp_path):
    dataset, shard = damaged
    before = {*dataset.split("train[:10% by class]").shards[1].numbers}
    DAMAGE[name][0](shard)
    dataset = open_dataset(dataset.directory.parents[1], dataset.name)
    parts = [dataset.split(f"train[{part} by class]") for part in ("10%:", ":10%")]
    with pytest.raises(DataError, match=DAMAGE[name][1]):
        load(parts[0])
    kept, lost = salvage.usable(parts, 500, tmp_path / "salvaged")
    assert sum(len(load(part)[0]) for part in kept) == 1200 - len(lost)
    if len(lost) == 1:
        assert len(before & {*parts[1].shards[1].numbers}) >= len(before) - 1

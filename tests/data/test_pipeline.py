import shutil

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.data import pipeline
from digitline.data.dataset import open_dataset
from digitline.data.preprocess import Preprocess

from support import DATASET, python

PREPROCESS = Preprocess((28, 28, 1), 28, 28)
# Does not divide 1,200: batches span epochs.
BATCH = 64


def batches(dataset, count, tmp_path, cache="memory", **options):
    given = {"batch_size": BATCH, "seed": 3, "cache": cache, "cache_dir": tmp_path, **options}
    stream = pipeline.training_batches(dataset, "train", PREPROCESS, **given)
    return list(stream.take(count).as_numpy_iterator())


def keys(found):
    """One number for each image, to tell them apart."""
    weights = np.random.default_rng(0).random((28, 28, 1))
    return np.concatenate([(images * weights).sum((1, 2, 3)) for images, _ in found])


@pytest.fixture(scope="module")
def all_keys(dataset):
    images, labels = pipeline.load(dataset, "train")
    return np.sort(keys([(PREPROCESS(images).numpy(), labels)]))


def test_load_gives_the_original_order(dataset, test_images):
    images, labels = pipeline.load(dataset, "test")
    np.testing.assert_array_equal(images, test_images[0])
    np.testing.assert_array_equal(labels, test_images[1])
    part, _ = pipeline.load(dataset, "test[90:210]")  # Crosses two shards' borders.
    np.testing.assert_array_equal(part, test_images[0][90:210])


@pytest.mark.parametrize("cache", pipeline.CACHES)
def test_every_epoch_holds_every_image_once_in_another_order(cache, dataset, tmp_path, all_keys):
    found = keys(batches(dataset, 60, tmp_path, cache))  # 3,840 images: three epochs and more.
    epochs = [found[at : at + 1200] for at in (0, 1200, 2400)]
    for epoch in epochs:
        np.testing.assert_allclose(np.sort(epoch), all_keys, rtol=1e-5)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[1], epochs[2])
    # Shuffled well: neighbours in the file are not neighbours here.
    assert abs(np.corrcoef(epochs[0], all_keys)[0, 1]) < 0.2


@pytest.mark.parametrize("cache", pipeline.CACHES)
@pytest.mark.parametrize("start", [1, 18, 19, 40])
def test_a_stream_from_a_step_is_the_rest_of_the_whole_one(cache, start, dataset, tmp_path):
    whole = batches(dataset, 45, tmp_path / "a", cache)
    rest = batches(dataset, 45 - start, tmp_path / "b", cache, start_step=start)
    for expected, found in zip(whole[start:], rest, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("cache", pipeline.CACHES)
def test_the_seed_decides_the_order(cache, dataset, tmp_path):
    first, again, other = (
        keys(batches(dataset, 5, tmp_path, cache, seed=seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_stay_with_their_images(dataset, tmp_path):
    images, labels = pipeline.load(dataset, "train")
    label_of = dict(zip(keys([(PREPROCESS(images).numpy(), 0)]), labels.numpy(), strict=True))
    for cache in pipeline.CACHES:
        found = batches(dataset, 19, tmp_path, cache)
        for key, label in zip(keys(found), np.concatenate([b for _, b in found]), strict=True):
            assert label_of[key] == label


@pytest.mark.parametrize("batch_size", [1, 7, 100, 299, 300, 5000])
def test_evaluation_sees_every_image_once_whatever_the_batch(batch_size, dataset, test_images):
    found = list(pipeline.evaluation_batches(dataset, "test", PREPROCESS, batch_size=batch_size))
    np.testing.assert_array_equal(np.concatenate([b for _, b in found]), test_images[1])
    images = np.concatenate([a for a, _ in found])
    np.testing.assert_allclose(images, test_images[0] / 255, atol=1e-6)


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from digitline.data import cache_file, pipeline
from digitline.data.dataset import open_dataset
def dies(dataset, split):
    yield from list(decoded(dataset, split))[:1]
    os.kill(os.getpid(), signal.SIGKILL)
decoded, pipeline._decoded = pipeline._decoded, dies
dataset = open_dataset(Path(sys.argv[1]), sys.argv[2])
pipeline._cached_epochs(dataset, "train", Path(sys.argv[3]), 3, 10)
"""


def test_an_interrupted_cache_file_is_built_anew(dataset, data_dir, tmp_path, capsys):
    expected = keys(batches(dataset, 40, tmp_path / "whole", "file"))
    cut = tmp_path / "cut"
    done = python(INTERRUPTED, data_dir, DATASET, cut, cwd=tmp_path)
    assert done.returncode == -9, done.stderr
    assert len(list(cut.iterdir())) == 1
    np.testing.assert_array_equal(keys(batches(dataset, 40, cut, "file")), expected)
    assert "was left incomplete; building it anew" in capsys.readouterr().err
    assert len(list(cut.iterdir())) == 1


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


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_shard_is_named_with_its_record(name, damaged):
    dataset, shard = damaged
    damage, where = DAMAGE[name]
    damage(shard)
    with pytest.raises(DataError) as loading:
        pipeline.load(dataset, "train")
    with pytest.raises(DataError) as evaluating:
        list(pipeline.evaluation_batches(dataset, "train", PREPROCESS, batch_size=100))
    for error in (loading, evaluating):
        assert f"{shard}{where}" in str(error.value)
    pipeline.load(dataset, "train[:400]")  # The other shards are whole.


def test_a_record_without_its_features(damaged):
    import tensorflow as tf

    dataset, shard = damaged
    records = list(tf.data.TFRecordDataset(str(shard)))
    records[9] = tf.constant(tf.train.Example().SerializeToString())
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record.numpy())
    with pytest.raises(DataError, match=r"00001-of-00003, record 9: .*image"):
        pipeline.load(dataset, "train")

"""A run is trained on what it began with, from its first step to its last, or not at all."""

import shutil

import pytest

from digitline.base import tfrecord
from digitline.base.errors import DataError
from digitline.data import prepare
from digitline.data.pipeline.batches import CACHES
from digitline.models import train
from digitline.models.run.folder import Run

from support import DATASET, TESTDATA, call, edit, quick_arguments, unsealed_dataset


@pytest.fixture
def datasets(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "datasets")


def shard(datasets, number=1):
    return next(datasets.glob(f"{DATASET}/*/*-train.tfrecord-0000{number}-*"))


def exchange_records(datasets):
    """Two records far from the ends of a shard, which keep their checksums."""
    path = shard(datasets)
    content, size = path.read_bytes(), path.stat().st_size // 400
    first, second = (content[start * size : (start + 1) * size] for start in (200, 201))
    path.write_bytes(content[: 200 * size] + second + first + content[202 * size :])


def cut_between_records(datasets):
    path = shard(datasets)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 400 * 399])


def exchange_shards(datasets):
    one, other = shard(datasets, 0), shard(datasets, 1)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


CHANGES = {
    "records": exchange_records,
    "a shard": exchange_shards,
    "cut": cut_between_records,
}


def some(values):
    """The first, and the others in long tests."""
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.long) for value in others)]


def test_nothing_is_trained_on_what_was_not_prepared(datasets, tmp_path):
    exchange_records(datasets)
    with pytest.raises(DataError, match=r"-00001-of-00003: not what the dataset was prepared with"):
        call(train.COMMAND, quick_arguments(datasets, tmp_path / "run"))


@pytest.mark.parametrize("cache", some(["off", *(cache for cache in CACHES if cache != "off")]))
@pytest.mark.parametrize("change", some(CHANGES))
def test_a_change_under_a_run_is_noticed(change, cache, datasets, tmp_path, stop_at_row):
    """In a dataset that does not say what its files were, too."""
    unsealed_dataset(datasets)
    arguments = quick_arguments(
        *(datasets, tmp_path / "run", f"--cache={cache}", "--log_steps=4"),
        *("--checkpoint_interval_s=0", "--shuffle_buffer=2000"),
    )
    sound = shutil.copytree(datasets, tmp_path / "sound")
    stop_at_row(2, lambda: CHANGES[change](datasets))
    with pytest.raises(DataError, match=r"train\.tfrecord-0000\d-of-00003.*again"):
        call(train.COMMAND, arguments)
    run = Run(tmp_path / "run")
    assert not run.finished
    with pytest.raises(DataError, match=r"train\.tfrecord-0000\d-of-00003.*again"):
        call(train.COMMAND, arguments)  # Between two sessions it is noticed as well.
    shutil.rmtree(datasets)
    shutil.copytree(sound, datasets)  # As the message says.
    assert call(train.COMMAND, arguments)["resumed_from"] > 0
    assert run.finished


def test_a_dataset_that_is_only_touched_is_the_same(datasets, tmp_path, stop_at_row):
    stop_at_row(2, shard(datasets).touch)
    arguments = quick_arguments(datasets, tmp_path / "run", "--log_steps=4", "--cache=off")
    assert not call(train.COMMAND, arguments)["reused"]


def test_the_record_of_another_run_is_refused(quick, data_dir, tmp_path):
    run = Run(shutil.copytree(quick.workdir, tmp_path / "run"))
    run.model.unlink()
    edit(run.data, lambda content: content.update(datasets={}, digest="0"))
    with pytest.raises(
        DataError, match=r"data\.json is not as .*; restore it, or train again with"
    ):
        call(train.COMMAND, quick_arguments(data_dir, run.workdir))
    overwritten = call(train.COMMAND, quick_arguments(data_dir, run.workdir, "--overwrite"))
    assert not overwritten["reused"]  # As the message says.


@pytest.mark.long
def test_a_dataset_that_is_prepared_anew_under_a_run(datasets, tmp_path, stop_at_row):
    def prepare_anew():
        words = [f"--dataset={DATASET}", f"--data_dir={datasets}", f"--source_dir={TESTDATA}"]
        call(prepare.COMMAND, [*words, "--overwrite", "--num_shards=3", "--digits"])

    stop_at_row(2, prepare_anew)
    arguments = quick_arguments(datasets, tmp_path / "run", "--log_steps=4", "--cache=off")
    with pytest.raises(DataError, match=DATASET):
        call(train.COMMAND, arguments)


def test_a_record_has_a_checksum_that_holds(datasets):
    """What is exchanged here is seen by nothing but digests."""
    exchange_records(datasets)
    assert all(isinstance(each, bytes) for each in tfrecord.contents(shard(datasets), 400))

import dataclasses

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.models.recipe import PipelineConfig
from digitline.models.run.config import MixConfig
from digitline.models.training.options import TrainOptions
from digitline.models.training.selection import select

from support import call


@pytest.fixture
def selected(dataset, data_dir):
    """What options select of the tiny dataset."""

    def selected(pipeline=None, **options):
        pipeline = PipelineConfig(**(pipeline or {}))
        return select(TrainOptions(data_dir=data_dir, pipeline=pipeline, **options), dataset)

    return selected


def test_the_dataset_decides_by_default(selected):
    selection = selected()
    assert (selection.training.name, selection.training.examples) == ("train[10%: by class]", 1081)
    assert (selection.validation.name, selection.validation.examples) == (
        "train[:10% by class]",
        119,
    )
    assert selection.mixed == ()


@pytest.mark.parametrize(
    "wrong", [{"train_split": "train"}, {"validation_split": "train[1000:]+test"}]
)
def test_rejects_splits_that_share_images(wrong, selected):
    with pytest.raises(UsageError, match=r"share \d+ images"):
        selected(**wrong)


def test_rejects_an_empty_split(selected):
    with pytest.raises(UsageError, match=r"--validation_split=train\[:0\] .* holds no images"):
        selected(validation_split="train[:0]")


@pytest.mark.parametrize("flag", ["train_split", "validation_split"])
def test_rejects_a_split_of_one_class(flag, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    np.savez(tmp_path / "sorted.npz", images=images, labels=np.arange(60) // 30)
    options = [f"--source_file={tmp_path / 'sorted.npz'}", "--validation_fraction=0"]
    call(prepare.COMMAND, ["--dataset=npz", f"--data_dir={tmp_path}", *options])
    splits = {"train_split": "train[30:]", "validation_split": "train[:30]"}
    splits[flag], other = "train[:20]", ({*splits} - {flag}).pop()
    splits[other] = "train[20:]"
    with pytest.raises(UsageError, match=rf"--{flag}=train\[:20\] .* 20 images are of one class"):
        select(TrainOptions(data_dir=tmp_path, **splits), open_dataset(tmp_path, "sorted"))


def test_skip_and_take(selected):
    training = selected({"skip": 50, "take": 640}).training
    assert training.examples == 640
    whole = selected().training
    assert training.shards[0].numbers == whole.shards[0].numbers[50:]
    with pytest.raises(UsageError, match=r"--skip=5000 .* leave no images"):
        selected({"skip": 5000})


def test_shards_of_a_split_are_disjoint_and_complete(selected):
    records = [
        (shard.path, number)
        for index in range(3)
        for shard in selected({"shard": f"{index}/3"}).training.shards
        for number in shard.numbers
    ]
    assert len(records) == len(set(records)) == 1081
    for wrong in ("3/3", "0", "a/b", "0/9999"):
        with pytest.raises(UsageError, match=f"shard={wrong}"):
            selected({"shard": wrong})


def test_what_a_run_recorded_stands_unless_a_flag_says_otherwise(dataset, data_dir):
    def names(recorded, **options):
        options = TrainOptions(data_dir=data_dir, mix=("tiny_digits:0.5",), **options)
        config = select(options, dataset, recorded).config
        return config.train_split, config.validation_split, config.mix[0].split

    default = ("train[10%: by class]", "train[:10% by class]", "train[10%: by class]")
    assert names(None) == default
    config = select(TrainOptions(data_dir=data_dir), dataset).config
    mix = (MixConfig("tiny_digits", "", "train[7:]", 0.5),)
    splits = {"train_split": "train[100:]", "validation_split": "train[:100]"}
    recorded = dataclasses.replace(config, mix=mix, **splits)
    assert names(recorded) == ("train[100:]", "train[:100]", "train[7:]")
    assert names(recorded, validation_split="train[:50]")[:2] == ("train[100:]", "train[:50]")


def test_a_mix(selected):
    selection = selected(mix=("tiny_digits:0.5",))
    assert [split.weight for split in selection.trained_on] == [1.0, 0.5]
    assert selection.config.mix[0].weight == 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("other", "expected name:weight"),
        ("other:x", "expected name:weight"),
        ("none:1", "not prep"),
    ],
)
def test_rejects_a_mix_that_is_not_name_and_weight(wrong, message, selected):
    with pytest.raises(UserError, match=message):
        selected(mix=(wrong,))

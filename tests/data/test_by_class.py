"""Parts of each class, of records in whatever order."""

import numpy as np
import pytest

from digitline.base.errors import UsageError
from digitline.base.tf import tf
from digitline.base.tfrecord import framed
from digitline.data import by_class, shards
from digitline.data.shards import Shard

# A class of one, one of two, and larger ones; in all 160.
COUNTS = (1, 2, 3, 4, 50, 100)


def shards_of(*sizes):
    firsts = np.cumsum([0, *sizes]).tolist()
    return tuple(
        Shard(f"{number}", range(size), first, True)
        for number, (size, first) in enumerate(zip(sizes, firsts, strict=False))
    )


def numbers(parts):
    """The numbers of the records in the split, of shards of 70 and 90."""
    return [{"0": 0, "1": 70}[part.path] + number for part in parts for number in part.numbers]


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_each_class_is_cut_alike_whatever_the_order(order):
    labels = np.repeat(np.arange(len(COUNTS)), COUNTS)
    if order == "shuffled":
        labels = np.random.default_rng(0).permutation(labels)
    whole = shards_of(70, 90)

    def part(start, stop):
        parts = by_class.cut(whole, labels, start, stop)
        assert shards.indices(parts).tolist() == [*range(shards.count(parts))]
        return numbers(parts)

    tenth, rest = part(0, 10), part(10, 100)
    assert tenth == sorted(tenth)
    assert sorted(tenth + rest) == [*range(160)]
    # Of one or two images all are trained on; of three or more, one at least is on either side.
    assert np.bincount(labels[tenth], minlength=6).tolist() == [0, 0, 1, 1, 5, 10]
    assert np.bincount(labels[part(0, 90)]).tolist() == [1, 2, 2, 3, 45, 90]
    folds = [number for start in range(0, 100, 20) for number in part(start, start + 20)]
    assert sorted(folds) == [*range(160)]
    assert part(30, 20) == part(0, 0) == []
    assert part(0, 100) == [*range(160)]
    # It is no run of neighbours, and the same each time.
    of_the_largest = np.flatnonzero(np.isin(np.flatnonzero(labels == 5), tenth))
    assert np.diff(of_the_largest).max() > 1
    assert part(0, 10) == tenth


def test_the_records_of_a_split_never_change():
    assert numbers(by_class.cut(shards_of(70, 90), np.arange(160) % 2, 0, 5)) == EXPECTED


EXPECTED = [7, 10, 12, 46, 61, 88, 111, 121]


def test_damage_moves_few_records():
    labels = np.arange(1000) % 3
    before = {*by_class.cut(shards_of(1000), labels, 0, 10)[0].numbers}
    labels[np.arange(0, 1000, 100)] = -1
    after = {*by_class.cut(shards_of(1000), labels, 0, 10)[0].numbers}
    assert len(before & after) >= 95


def record(**features):
    lists = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in features.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=lists))
    return framed(example.SerializeToString())


def test_labels_are_read_around_damage(tmp_path):
    records = [record(label=[label]) for label in range(6)]
    records[1] = records[1][:-5] + b"?" + records[1][-4:]
    records[2], records[3] = framed(b"no example"), record(other=[1])
    records.append(b"?" * 30)
    path = str(tmp_path / "records")
    (tmp_path / "records").write_bytes(b"".join(records))
    (part, gone) = Shard(path, range(8)), Shard(path + "?", range(2))
    assert by_class.labels_of([part, gone]).tolist() == [0, -1, -1, -1, 4, 5, -1, -1, -1, -1]
    assert by_class.labels_of([Shard(path, (0, 5))]).tolist() == [0, 5]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("train[:10% by class]", ("train", 0, 10)),
        ("train[10%: by class]", ("train", 10, 100)),
        ("my-split.2[20%:40% by class]", ("my-split.2", 20, 40)),
        ("train[-10%: by class]", ("train", 90, 100)),
        ("train[:-10% by class]", ("train", 0, 90)),
    ],
)
def test_terms(term, expected):
    assert by_class.parse(term) == expected


@pytest.mark.parametrize(
    "term",
    [
        *("[:10% by class]", "train[:10 by class]", "train[:8.5% by class]"),
        *("train[:101% by class]", "train[by class]", "train by class"),
        *("train[:10%] by class", "train[10% by class]"),
    ],
)
def test_rejects_what_is_not_in_percent(term):
    with pytest.raises(UsageError, match=r"whole percent, such as train\[:10% by class\] and"):
        by_class.parse(term)

import pytest

from digitline.data import shards
from digitline.data.shards import Shard

WHOLE = (
    Shard("a", range(400), 0, True),
    Shard("b", range(400), 400, True),
    Shard("c", range(10, 110), 800),
)


def test_cut():
    assert shards.cut(WHOLE, 0, 900) == WHOLE
    assert shards.cut(WHOLE, 390, 410) == (
        Shard("a", range(390, 400), 390),
        Shard("b", range(10), 400),
    )
    assert shards.cut(WHOLE, 850, 5000) == (Shard("c", range(60, 110), 850),)
    picked = Shard("d", (3, 5, 8, 9), 20)
    assert shards.cut((*WHOLE, picked), 901, 903) == (Shard("d", (5, 8), 21),)
    assert shards.cut(WHOLE, 900, 1000) == ()


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 900, 1000])
def test_workers_share_out_every_record_once(workers):
    seen = []
    for index in range(workers):
        part = shards.of_worker(WHOLE, index, workers)
        seen += [(s.path, number) for s in part for number in s.numbers]
        assert shards.count(part) in (900 // workers, 900 // workers + 1)
    assert len(seen) == len(set(seen)) == 900


def test_rejects_a_worker_out_of_range():
    with pytest.raises(ValueError, match="Received: 3 of 3"):
        shards.of_worker(WHOLE, 3, 3)


def test_common():
    def cut(start, stop):
        return shards.cut(WHOLE, start, stop)

    assert shards.common(cut(0, 500), cut(500, 900)) == 0
    assert shards.common(cut(0, 500), cut(350, 900)) == 150
    assert shards.common(cut(0, 900), cut(390, 410)) == 20
    assert shards.common(cut(0, 900), [Shard("a", (5, 399, 400)), Shard("d", (0, 1))]) == 2


@pytest.mark.parametrize(("number", "step"), [(9, 100), (900, 1), (5000, 1), (450, 2), (1, 900)])
def test_spread_takes_every_part(number, step):
    parts = shards.spread(WHOLE, number)
    place = {"a": 0, "b": 400, "c": 790}
    seen = [place[part.path] + number for part in parts for number in part.numbers]
    assert seen == list(range(0, 900, step))
    assert shards.indices(parts).tolist() == list(range(len(seen)))

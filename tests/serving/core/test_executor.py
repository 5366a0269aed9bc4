import asyncio

import numpy as np
import pytest

from digitline.serving.core.executor import in_pieces, limited
from digitline.serving.core.servable import Servable, Signature, TensorInfo
from digitline.serving.protocol.status import StatusError

NUMBERS = TensorInfo(1, (None, 2))


def servable(run):
    return Servable({"s": Signature("", {"x": NUMBERS}, {"y": NUMBERS})}, {}, run, lambda: None)


def answer(function, x, wrap=lambda servable, run: in_pieces("m", servable, run)):
    """What a model answers, and the sizes of its calls."""
    sizes = []

    async def run(_, inputs, __):
        sizes.append(len(inputs["x"]))
        return [function(inputs["x"])]

    (y,) = asyncio.run(wrap(servable(None), run)("s", {"x": x}, ["y"]))
    return y, sizes


def test_many_rows_are_run_in_pieces():
    x = np.random.default_rng(1).random((3000, 2), np.float32)
    y, sizes = answer(lambda x: 2 * x, x)
    np.testing.assert_array_equal(y, 2 * x)
    assert sizes[:3] == [32, 16, 64]  # The first two see whether rows stand alone.
    assert max(sizes) <= 1024
    assert sum(sizes) == 3048


def test_few_rows_are_run_at_once():
    assert answer(lambda x: x, np.zeros((64, 2), np.float32))[1] == [64]


@pytest.mark.parametrize("function", [lambda x: x - x.mean(0), np.cumsum, lambda x: x[::-1]])
def test_rows_that_depend_on_one_another_stay_together(function):
    x = np.random.default_rng(1).random((200, 2), np.float32)
    y, sizes = answer(function, x)
    np.testing.assert_array_equal(y, function(x))
    assert sizes == [32, 16, 200]


def test_more_rows_than_the_limit_are_refused():
    with pytest.raises(StatusError, match=r"has 200 rows or examples; at most 100 .*--max_re"):
        answer(None, np.zeros((200, 2)), lambda servable, run: limited(servable, run, 100))

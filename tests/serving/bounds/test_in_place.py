import asyncio
import concurrent.futures
import threading
import time

import numpy as np
import pytest

from digitline.serving.core.executor import direct
from digitline.serving.core.servable import Servable, Signature, TensorInfo

SMALL = np.ones((1, 2), np.float32)
SIGNATURE = Signature("", {"x": TensorInfo(1, (None, 2))}, {"y": TensorInfo(1, (None, 2))})


def wait(seconds):
    time.sleep(seconds)


def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def threads(*requests, seconds=0.0, steady=True, here=None):
    """For each of many calls of `requests`, whether a thread of the pool did it."""
    calls = []

    def run(_, inputs, __):
        calls.append(threading.current_thread().name.startswith("call"))
        time.sleep(seconds)
        return [inputs["x"]]

    def compiled(signature):
        def call(inputs, outputs):
            if here is not None:
                here()
            return run(signature, inputs, outputs)

        return call if steady else None

    async def main():
        servable = Servable({"s": SIGNATURE}, {}, run, lambda: None, compiled)
        with concurrent.futures.ThreadPoolExecutor(1, "call") as pool:
            answer = direct(servable, pool)
            for _ in range(40):
                for x in requests:
                    (y,) = await answer("s", {"x": x}, ["y"])
                    assert y is x

    asyncio.run(main())
    return calls


def test_a_quick_call_is_done_in_place_after_some_by_threads():
    calls = threads(SMALL)
    assert calls[:16] == [True] * 16
    assert not any(calls[16:])


@pytest.mark.parametrize(
    ("x", "options"),
    [
        (np.ones((10_000, 2), np.float32), {}),
        (np.array([[b"a"]], object), {}),
        (SMALL, {"seconds": 0.001}),
        (SMALL, {"steady": False}),
    ],
    ids=["large", "strings", "slow", "depends on values"],
)
def test_threads_do_all_others(x, options):
    assert all(threads(x, **options))


def test_shapes_are_told_apart():
    calls = threads(SMALL, np.ones((9_000, 2), np.float32))
    assert all(calls[1::2])
    assert not any(calls[40::2])


@pytest.mark.parametrize(("spend", "last"), [(work, True), (wait, False)])
def test_a_call_that_takes_long_is_the_last_for_a_while_and_for_good_if_it_worked(spend, last):
    once = iter([0.01])
    calls = threads(SMALL, here=lambda: spend(next(once, 0)))
    assert calls[16:34] == [False] + [True] * 16 + [last]

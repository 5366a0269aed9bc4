import asyncio
import threading
import time

import grpc
import numpy as np
import pytest

from digitline.serving.core import batching
from digitline.serving.core.batch_queue import Parameters
from digitline.serving.core.batching import Batcher
from digitline.serving.core.servable import Servable, Signature, TensorInfo
from digitline.serving.protocol.status import StatusError

FLOAT = 1


def make(run, shape=(None, 3)):
    signature = Signature("", {"x": TensorInfo(FLOAT, shape)}, {"y": TensorInfo(FLOAT, shape)})
    return Servable({"s": signature}, {}, run, lambda: None)


class Model:
    """Doubles; keeps the sizes of its calls; can be held; refuses rows of a negative number."""

    def __init__(self):
        self.sizes = []
        self.may_run = threading.Event()
        self.may_run.set()

    def __call__(self, signature, inputs, outputs):
        self.may_run.wait(10)
        self.sizes.append(len(inputs["x"]))
        if (inputs["x"] < 0).any():
            raise ValueError("a negative number")
        return [inputs["x"] * 2]


def ask(call, rows, value=1.0):
    return call("s", {"x": np.full((rows, 3), value, np.float32)}, ["y"])


async def held(model, call, *requests):
    """Answers of requests that come in while the only thread is busy with another."""
    model.may_run.clear()
    first = asyncio.ensure_future(ask(call, 1))
    await asyncio.sleep(0)
    rest = [asyncio.ensure_future(request) for request in requests]
    await asyncio.sleep(0)
    model.may_run.set()
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


def run(parameters, scenario, model=None, shape=(None, 3)):
    model = model or Model()
    seen = []

    async def main():
        batcher = Batcher(parameters, lambda *batch: seen.append(batch))
        try:
            return await scenario(model, batcher.run("m", make(model, shape)))
        finally:
            batcher.close()

    return asyncio.run(main()), model, seen


def test_one_call_answers_all_requests_that_wait():
    def scenario(model, call):
        return held(model, call, *(ask(call, rows, float(rows)) for rows in (1, 2, 3)))

    answers, model, seen = run(Parameters(num_batch_threads=1), scenario)
    assert model.sizes == [1, 6]
    for rows, (y,) in zip((1, 2, 3), answers, strict=True):
        np.testing.assert_array_equal(y, np.full((rows, 3), 2.0 * rows))
    assert [batch[:3] for batch in seen] == [("m", 1, 1), ("m", 6, 6)]


def test_a_batch_is_limited_and_padded_to_an_allowed_size():
    def scenario(model, call):
        return held(model, call, *(ask(call, 2, float(n)) for n in range(5)))

    parameters = Parameters(max_batch_size=4, num_batch_threads=1, allowed_batch_sizes=(1, 3, 4))
    answers, model, _ = run(parameters, scenario)
    assert model.sizes == [1, 4, 4, 3]  # The last two rows are filled up to three.
    assert [y[0, 0] for (y,) in answers] == [0, 2, 4, 6, 8]
    assert all(len(y) == 2 for (y,) in answers)


def test_a_lone_request_waits_for_the_timeout_and_a_full_batch_does_not():
    async def scenario(model, call):
        return await asyncio.gather(*(ask(call, 1) for _ in range(4)))

    _, model, _ = run(Parameters(max_batch_size=4, batch_timeout_micros=10**12), scenario)
    assert model.sizes == [4]  # It would wait for eleven days.

    async def only_one(model, call):
        return await ask(call, 1)

    _, model, seen = run(Parameters(max_batch_size=4, batch_timeout_micros=50_000), only_one)
    assert model.sizes == [1]
    assert seen[0][3] >= 0.05


def test_one_bad_request_does_not_spoil_the_others():
    def scenario(model, call):
        return held(model, call, ask(call, 1, 1.0), ask(call, 1, -1.0), ask(call, 1, 3.0))

    answers, _, _ = run(Parameters(num_batch_threads=1), scenario)
    assert answers[0][0][0, 0] == 2
    assert isinstance(answers[1], StatusError)
    assert "a negative number" in answers[1].message
    assert answers[2][0][0, 0] == 6


def test_a_full_queue_refuses():
    def scenario(model, call):
        return held(model, call, *(ask(call, 2) for _ in range(5)))

    parameters = Parameters(max_batch_size=2, max_enqueued_batches=3, num_batch_threads=1)
    answers, _, _ = run(parameters, scenario)
    refused = [answer for answer in answers if isinstance(answer, StatusError)]
    assert len(refused) == 2
    assert refused[0].code is grpc.StatusCode.UNAVAILABLE
    assert "queue to which this task was submitted is full" in refused[0].message


def test_a_large_request_is_refused_or_cut():
    async def scenario(model, call):
        return await asyncio.gather(ask(call, 5, 7.0), return_exceptions=True)

    (refused,), model, _ = run(Parameters(max_batch_size=2), scenario)
    assert refused.message == "Task size 5 is larger than maximum input batch size 2"
    assert not model.sizes
    (answer,), model, _ = run(Parameters(max_batch_size=2, split_large=True), scenario)
    np.testing.assert_array_equal(answer[0], np.full((5, 3), 14.0))
    assert sorted(model.sizes) == [1, 2, 2]


def test_a_cut_request_does_not_fill_the_queue():
    async def scenario(model, call):
        return await held(model, call, ask(call, 12, 7.0), ask(call, 1, 5.0))

    parameters = Parameters(
        max_batch_size=2, max_enqueued_batches=2, num_batch_threads=1, split_large=True
    )
    answers, model, _ = run(parameters, scenario)
    assert [len(y) for (y,) in answers] == [12, 1]
    assert max(model.sizes) == 2


def test_a_request_without_rows_is_not_batched():
    async def scenario(model, call):
        return await ask(call, 0)

    (answer,), _, _ = run(Parameters(allowed_batch_sizes=(1, 2), max_batch_size=2), scenario)
    assert answer.shape == (0, 3)


def test_other_shapes_wait_in_other_queues_or_are_padded():
    def scenario(model, call):
        wide = call("s", {"x": np.ones((1, 5), np.float32)}, ["y"])
        return held(model, call, ask(call, 1), wide, ask(call, 1))

    _, model, _ = run(Parameters(num_batch_threads=1), scenario, shape=(None, None))
    assert sorted(model.sizes) == [1, 1, 2]
    parameters = Parameters(num_batch_threads=1, pad_variable_length_inputs=True)
    answers, model, _ = run(parameters, scenario, shape=(None, None))
    assert model.sizes == [1, 3]
    np.testing.assert_array_equal(answers[0][0], [[2, 2, 2, 0, 0]])


def test_a_model_without_a_batch_axis_runs_request_by_request():
    def scenario(model, call):
        return held(model, call, *(ask(call, 4) for _ in range(3)))

    _, model, _ = run(Parameters(num_batch_threads=1), scenario, shape=(4, 3))
    assert model.sizes == [1, 4, 4, 4]


def test_requests_of_clients_that_have_left_do_not_run():
    async def scenario(model, call):
        model.may_run.clear()
        first = asyncio.ensure_future(ask(call, 1))
        await asyncio.sleep(0)
        gone = [asyncio.ensure_future(ask(call, 1)) for _ in range(3)]
        stays = asyncio.ensure_future(ask(call, 1))
        await asyncio.sleep(0)
        for each in gone:
            each.cancel()
        model.may_run.set()
        await first
        return await stays

    _, model, _ = run(Parameters(num_batch_threads=1), scenario)
    assert model.sizes == [1, 1]


def test_a_thousand_requests_at_once_get_their_own_answers():
    async def scenario(model, call):
        return await asyncio.gather(*(ask(call, 1 + n % 3, float(n)) for n in range(1000)))

    answers, model, _ = run(Parameters(max_batch_size=64, max_enqueued_batches=100), scenario)
    assert [y[0, 0] for (y,) in answers] == [2.0 * n for n in range(1000)]
    assert max(model.sizes) <= 64
    assert len(model.sizes) < 200


@pytest.mark.parametrize("rows", [0, 2])
def test_rejects_inputs_with_different_numbers_of_rows(rows):
    signature = Signature(
        "",
        {"a": TensorInfo(FLOAT, (None,)), "b": TensorInfo(FLOAT, (None,))},
        {"y": TensorInfo(FLOAT, (None,))},
    )

    async def main():
        batcher = Batcher(Parameters())
        servable = Servable({"s": signature}, {}, lambda *_: [np.zeros(1)], lambda: None)
        arrays = {"a": np.zeros(1, np.float32), "b": np.zeros(rows, np.float32)}
        await batcher.run("m", servable)("s", arrays, ["y"])

    with pytest.raises(StatusError, match="equal 0th-dimension size"):
        asyncio.run(main())


class Placed(Model):
    """Keeps which of its calls ran on the event loop's thread."""

    def __init__(self, seconds=0.0):
        super().__init__()
        self.seconds = seconds
        self.in_place = []

    def __call__(self, signature, inputs, outputs):
        time.sleep(self.seconds)
        self.in_place.append(threading.current_thread() is threading.main_thread())
        return super().__call__(signature, inputs, outputs)


@pytest.fixture
def quick(monkeypatch):
    """Any call counts as quick, however busy this machine is."""
    monkeypatch.setattr(batching, "_QUICK_S", 10.0)


async def one_by_one(model, call):
    for _ in range(35):
        await ask(call, 1)


def test_a_lone_client_of_a_quick_model_is_answered_on_the_event_loop(quick):
    _, model, seen = run(Parameters(num_batch_threads=2), one_by_one, Placed())
    # The first by a thread shows that it is quick, the later ones that there is no other client.
    assert [at for at, is_there in enumerate(model.in_place) if not is_there] == [0, 17, 34]
    assert len(seen) == 35


def test_a_slow_model_never_holds_up_the_event_loop():
    _, model, _ = run(Parameters(num_batch_threads=2), one_by_one, Placed(0.003))
    assert not any(model.in_place)


def test_clients_that_meet_are_answered_by_threads():
    async def two_at_once(model, call):
        for _ in range(20):
            await asyncio.gather(ask(call, 1), ask(call, 1))
        await ask(call, 1)  # Only just after them: they may come back.

    _, model, _ = run(Parameters(num_batch_threads=1), two_at_once, Placed())
    assert not any(model.in_place)


def test_a_burst_of_clients_that_have_met_is_one_call():
    async def later(call, rounds):
        for _ in range(rounds):
            await asyncio.sleep(0)
        await ask(call, 1)

    async def bursts(model, call):
        await asyncio.gather(ask(call, 1), ask(call, 1))  # They meet.
        model.sizes.clear()
        for _ in range(2):
            await asyncio.gather(*(later(call, 3 * number) for number in range(8)))

    _, model, _ = run(Parameters(num_batch_threads=1), bursts)
    assert model.sizes == [8, 8]


class Words(Placed):
    """Takes strings."""

    def __call__(self, signature, inputs, outputs):
        return super().__call__(signature, {"x": np.zeros((len(inputs["x"]), 3))}, outputs)


@pytest.mark.parametrize("kind", ["two rows", "strings"])
def test_several_rows_and_strings_never_count_as_quick(kind):
    async def scenario(model, call):
        for _ in range(3):
            if kind == "strings":
                await call("s", {"x": np.array([b"a"], object)}, ["y"])
            else:
                await ask(call, 2)

    _, model, _ = run(Parameters(), scenario, Words() if kind == "strings" else Placed())
    assert model.in_place == [False, False, False]


def test_an_error_on_the_event_loop_reaches_only_its_request(quick):
    async def scenario(model, call):
        await ask(call, 1)
        with pytest.raises(StatusError, match="a negative number"):
            await ask(call, 1, -1.0)
        return await ask(call, 1, 3.0)

    (answer,), model, _ = run(Parameters(), scenario, Placed())
    assert model.in_place[1]
    np.testing.assert_array_equal(answer, np.full((1, 3), 6.0))

import asyncio
import contextlib

import grpc
import pytest

from digitline.serving.bounds import budget
from digitline.serving.bounds.budget import Budget, Hold
from digitline.serving.bounds.clients import Interruption, Pace
from digitline.serving.bounds.limits import Effort
from digitline.serving.protocol.status import StatusError

MB = 1 << 20


def held(all_together, *sizes):
    holds = [Hold(all_together) for _ in sizes]
    for hold, size in zip(holds, sizes, strict=True):
        hold.take(size)
        all_together.large[hold] = None
    return holds


def test_large_requests_wait_in_turn_and_small_ones_do_not():
    async def work():
        together, order = Budget(10 * MB), []
        first, second = held(together, 6 * MB, 4 * MB)

        async def one(name, size):
            hold = Hold(together)
            await hold.resize(size, Effort(5))
            order.append(name)
            hold.release()

        waiting = [asyncio.ensure_future(one(name, 5 * MB)) for name in "abc"]
        await asyncio.sleep(0)
        await one("small", 1000)
        second.release()
        await asyncio.sleep(0.01)
        assert order == ["small"]
        first.release()
        await asyncio.gather(*waiting)
        assert order == ["small", "a", "b", "c"]
        assert together.used == 0

    asyncio.run(work())


def test_a_request_that_gets_no_memory_in_its_time_is_refused():
    async def work():
        together = Budget(10 * MB)
        held(together, 9 * MB)
        with pytest.raises(StatusError, match=r"RESOURCE_EXHAUSTED: .*; try again") as caught:
            await Hold(together).resize(5 * MB, Effort(0.05))
        assert caught.value.http_status == 429

    asyncio.run(work())


def test_unread_answers_make_room_for_who_waits_the_oldest_first(monkeypatch):
    monkeypatch.setattr(budget, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(budget, "_SLOW", 1 << 40)
    monkeypatch.setattr(budget, "_LOOK_S", 0.02)

    async def work():
        together, cut = Budget(10 * MB), []
        for name in "ab":
            hold = Hold(together)

            def broken(name=name, hold=hold):
                cut.append(name)
                hold.release()

            hold.sending(5 * MB, broken)
        await Hold(together).resize(5 * MB, Effort(5))
        assert (cut, together.unsent) == (["a"], 5 * MB)

    asyncio.run(work())


def test_whose_models_run_go_before_those_who_wait_for_them():
    async def work():
        together = Budget(10 * MB)
        _, running = held(together, 5 * MB, 5 * MB)
        with running.running():
            await asyncio.wait_for(running.resize(20 * MB, Effort(5)), 1)

    asyncio.run(work())


def test_an_interruption_ends_only_what_it_is_for():
    async def waits(interruption, seen):
        with interruption:
            await asyncio.sleep(5)

    async def work():
        seen = []

        async def interrupted():
            interruption = Interruption()
            loop = asyncio.get_running_loop()
            error = StatusError(grpc.StatusCode.ABORTED, "enough")
            loop.call_later(0.01, interruption, error)
            with pytest.raises(StatusError, match="enough"):
                await waits(interruption, seen)
            await asyncio.sleep(0)  # It goes on.
            seen.append("on")

        await interrupted()
        assert seen == ["on"]
        task = asyncio.ensure_future(waits(Interruption(), seen))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())


def test_uploads_have_their_turn_a_few_at_a_time():
    async def work():
        pace, order = Pace(), []

        async def upload(name):
            for _ in range(2):
                await pace.turn()
                order.append(name)

        uploads = [asyncio.ensure_future(upload(name)) for name in "abcdefgh"]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(*uploads), 1)
        assert order == list("abcdefghabcdefgh")

    asyncio.run(work())

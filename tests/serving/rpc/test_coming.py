import asyncio
import contextlib

import grpc
import pytest

from digitline.serving.bounds.budget import Budget
from digitline.serving.protocol.status import StatusError
from digitline.serving.rpc import coming, connections
from digitline.serving.rpc.coming import Coming

MB = 1 << 20


class Context:
    """A call whose message does not come."""

    async def read(self):
        await asyncio.sleep(20)


def refused(receiving, grown=0):
    async def work():
        messages = receiving()
        messages._taken = lambda: messages.grown
        messages.grown = 0
        waiting = [asyncio.ensure_future(messages.only(Context())) for _ in range(3)]
        await asyncio.sleep(0)
        messages.grown = grown
        done, pending = await asyncio.wait(waiting, timeout=1, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return [str(task.exception()) for task in done], len(pending)

    return asyncio.run(work())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(coming, "_LOOK_S", 0.01)
    monkeypatch.setattr(coming, "_SLOW_S", 0.02)


def test_a_message_must_come_in_time():
    said, _ = refused(lambda: Coming(Budget(10 * MB), 10, 0.1))
    assert said[0] == "DEADLINE_EXCEEDED: The message did not come in 0.1 seconds"


def test_slow_messages_that_take_much_memory_are_refused_the_oldest_first():
    said, waiting = refused(lambda: Coming(Budget(10 * MB), 10, 30), grown=20 * MB)
    assert (
        said == ["RESOURCE_EXHAUSTED: The messages that come take too much memory; try again"] * 2
    )
    assert waiting == 1
    assert refused(lambda: Coming(Budget(10 * MB), 10, 30), grown=9 * MB) == ([], 3)


def test_no_more_messages_come_at_once_than_may():
    said, waiting = refused(lambda: Coming(Budget(10 * MB), 2, 30))
    assert said == ["RESOURCE_EXHAUSTED: More than 2 messages come at once; try again"]
    assert waiting == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::]"])
def test_a_connection_is_closed_by_its_peer(host):
    """And no other one; whatever calls are on it."""

    async def work():
        server = grpc.aio.server()
        port = server.add_insecure_port(f"{host}:0")
        peers, closed = [], []

        async def handle(_, context):
            peers.append(context.peer())
            await asyncio.sleep(0.05 if len(peers) == 2 else 20)
            return b""

        method = grpc.stream_unary_rpc_method_handler(handle)
        handler = grpc.method_handlers_generic_handler("s", {"m": method})
        server.add_generic_rpc_handlers((handler,))
        await server.start()
        target = "127.0.0.1" if host == "[::]" else host
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with contextlib.AsyncExitStack() as stack:
            calls = []
            for number in range(2):
                channel = grpc.aio.insecure_channel(f"{target}:{port}", options)
                await stack.enter_async_context(channel)
                calls.append(channel.unary_unary("/s/m")(b""))
                while len(peers) <= number:
                    await asyncio.sleep(0.01)
            assert not connections.close("unix:", port)
            assert not connections.close(peers[0], port + 1)
            assert connections.close(peers[0], port)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await calls[0]
            closed.append(caught.value.code())
            assert await calls[1] == b""
        await server.stop(0)
        assert closed == [grpc.StatusCode.UNAVAILABLE]

    asyncio.run(work())


def test_a_call_without_a_message_is_refused():
    class Ended:
        async def read(self):
            return coming.END

    with pytest.raises(StatusError, match="INVALID_ARGUMENT: The call has no message"):
        asyncio.run(only(Ended()))


async def only(context):
    return await Coming(Budget(MB), 2, 30).only(context)

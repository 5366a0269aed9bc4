"""What keeps a running server observable, and how it ends."""

import asyncio
import gc

from digitline.serving import operations


def test_work_that_a_signal_ends_leaves_nothing_in_the_log(caplog):
    async def work():
        await asyncio.sleep(60)

    async def serve():
        stopping = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(stopping.set_result, "SIGTERM")
        assert not await operations.before(stopping, asyncio.gather(work(), work()))

    asyncio.run(serve())
    gc.collect()
    assert caplog.records == []

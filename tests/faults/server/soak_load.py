"""Requests of a healthy crowd, at a rate that does not wait for answers: a process of its own.

  python soak_load.py GRPC_PORT REST_PORT REQUESTS_PER_S SECONDS

Prints a JSON object for each minute. A rate of 0 asks for as much as is answered, 16 at once.
"""

import asyncio
import collections
import itertools
import json
import sys
import time

import aiohttp
import grpc
import numpy as np
from healthy import PREDICT, predict_request

STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
_CHANNELS, _AT_ONCE, _LONGEST_S = 4, 16, 30
_SLOW_S = 0.5  # An answer that takes longer has its second told.
# Of each hundred requests; all else are single images by gRPC.
_REST, _MANY, _STATUS = 45, 5, 5


class Crowd:
    """Sends requests and keeps what came of them since it was last asked."""

    def __init__(self, session, channels, rest):
        images = {"instances": np.zeros((1, 28, 28, 1), int).tolist()}
        self._body, self._url = json.dumps(images), f"http://127.0.0.1:{rest}/v1/models/m:predict"
        self._session = session
        self._calls = itertools.cycle([channel.unary_unary(PREDICT) for channel in channels])
        self._statuses = itertools.cycle([channel.unary_unary(STATUS) for channel in channels])
        self._one, self._many = predict_request((1, 28, 28, 1)), predict_request((32, 28, 28, 1))
        self._turn = itertools.count()
        self._begun = time.perf_counter()
        self._clear()

    def _clear(self):
        self.seconds, self.failed, self.slow = [], collections.Counter(), set()

    async def send(self, start):
        """One request, which should have been sent at `start`."""
        try:
            await self._send(next(self._turn) * 37 % 100)
        except grpc.aio.AioRpcError as error:
            self.failed[f"gRPC {error.code().name}: {error.details()[:80]}"] += 1
        except Exception as error:
            self.failed[f"REST {type(error).__name__}: {str(error)[:80]}"] += 1
        else:
            took = time.perf_counter() - start
            self.seconds.append(took)
            if took > _SLOW_S:
                self.slow.add(int(start - self._begun))

    async def _send(self, kind):
        if kind < _REST:
            async with self._session.post(self._url, data=self._body) as response:
                text = await response.text()
                if response.status != 200:
                    raise OSError(f"{response.status} {text}")
        elif kind < _REST + _MANY:
            await next(self._calls)(self._many, timeout=_LONGEST_S)
        elif kind < _REST + _MANY + _STATUS:
            await next(self._statuses)(b"\x0a\x03\x0a\x01m", timeout=_LONGEST_S)
        else:
            await next(self._calls)(self._one, timeout=_LONGEST_S)

    def told(self):
        """What has come since the last time."""
        milliseconds = 1000 * np.array(self.seconds or [0.0])
        p50, p99, most = np.percentile(milliseconds, [50, 99, 100]).round(2).tolist()
        answered = {"answered": len(self.seconds), "failed": dict(self.failed),
                    "slow_s": sorted(self.slow)}  # fmt: skip
        self._clear()
        return {**answered, "p50_ms": p50, "p99_ms": p99, "max_ms": most}


async def closed_loop(crowd, seconds):
    """As many as are answered."""
    end = time.perf_counter() + seconds

    async def work():
        while (start := time.perf_counter()) < end:
            await crowd.send(start)

    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


async def paced(crowd, rate, seconds):
    """So many a second, whether they are answered or not."""
    begun, sending = time.perf_counter(), set()
    told = begun + 60
    for number in range(int(rate * seconds)):
        start = begun + number / rate
        if (wait := start - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(crowd.send(start))
        sending.add(task)
        task.add_done_callback(sending.discard)
        if time.perf_counter() >= told:
            print(json.dumps(crowd.told()), flush=True)
            told += 60
    if sending:
        await asyncio.wait(sending)


async def main(port, rest, rate, seconds):
    """Sends, and prints."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    timeout = aiohttp.ClientTimeout(total=_LONGEST_S)
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        channels = [
            grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(_CHANNELS)
        ]
        crowd = Crowd(session, channels, rest)
        await (paced(crowd, rate, seconds) if rate else closed_loop(crowd, seconds))
        print(json.dumps(crowd.told()), flush=True)
        for channel in channels:
            await channel.close()


if __name__ == "__main__":
    ports, speeds = map(int, sys.argv[1:3]), map(float, sys.argv[3:])
    asyncio.run(main(*ports, *speeds))

"""A load generator: a closed loop with a fixed number of requests in flight, over gRPC or HTTP.

  python benchmarks/serving_load.py PROTOCOL HOST:PORT PATH BODY_FILE IN_FLIGHT SECONDS

Sends the same bytes again and again and looks only at the status of each answer, so that the
generator takes as little of the machine as it can. Prints a JSON object.
"""

import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

# Requests of each sender before the time counts.
_WARM_UP = 10
# Seconds for the warm-up, and for each answer.
_WARM_UP_S, _ANSWER_S = 30.0, 30.0

# What reading raises where a server does not speak HTTP.
_NOT_HTTP = (ValueError, IndexError, asyncio.LimitOverrunError)

# Sends one request; gives whether it was answered well.
Send = Callable[[], Awaitable[bool]]


async def measure(senders: list[Send], seconds: float) -> dict[str, float | None]:
    """Drives each sender in a loop of its own.

    Returns:
      `requests_per_s`, `p50_ms`, `p99_ms` of those that were answered well (times are None
      where there are none), and `errors`.
    """
    times: list[float] = []
    errors = 0

    async def drive(send: Send, until: float, count: float) -> None:
        nonlocal errors
        while count > 0 and time.perf_counter() < until:
            start = time.perf_counter()
            if await send():
                times.append(time.perf_counter() - start)
            else:
                errors += 1
            count -= 1

    warm = time.perf_counter() + _WARM_UP_S
    await asyncio.gather(*(drive(send, warm, _WARM_UP) for send in senders))
    times.clear()
    errors = 0
    start = time.perf_counter()
    await asyncio.gather(*(drive(send, start + seconds, math.inf) for send in senders))
    took = time.perf_counter() - start
    p50, p99 = (np.percentile(times, [50, 99]) * 1000).tolist() if times else (None, None)
    return {
        "requests_per_s": len(times) / took,
        "p50_ms": p50,
        "p99_ms": p99,
        "errors": errors,
    }


async def over_grpc(
    address: str, path: str, body: bytes, in_flight: int, seconds: float
) -> dict[str, float | None]:
    """As `measure`, on one gRPC channel."""
    import grpc

    # Past the environment's proxies.
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        call = channel.unary_unary(path)

        async def send() -> bool:
            try:
                await call(body, timeout=_ANSWER_S)
                return True
            except grpc.RpcError:
                return False

        return await measure([send] * in_flight, seconds)


async def over_http(
    address: str, path: str, body: bytes, in_flight: int, seconds: float
) -> dict[str, float | None]:
    """As `measure`, on a connection for each request in flight, which is kept."""
    host, _, port = address.rpartition(":")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body

    def sender() -> Send:
        kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def send() -> bool:
            try:
                if not kept:
                    connecting = asyncio.open_connection(host, int(port))
                    kept.append(await asyncio.wait_for(connecting, _ANSWER_S))
                reader, writer = kept[0]
                writer.write(request)
                good, goes_on = await _answer(reader, writer)
            except (OSError, EOFError, asyncio.TimeoutError, *_NOT_HTTP):
                good = goes_on = False
            if not goes_on and kept:
                kept.pop()[1].transport.abort()
            return good

        return send

    return await measure([sender() for _ in range(in_flight)], seconds)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[bool, bool]:
    """Reads an answer: whether it is a good one, and whether the connection takes more.

    Raises:
      OSError, EOFError: the connection breaks, or nothing comes for too long.
      ValueError, IndexError, asyncio.LimitOverrunError: what comes is not HTTP.
    """
    late: list[bool] = []

    def give_up() -> None:
        late.append(True)
        writer.transport.abort()

    # Less work than asyncio's timeouts, each of which is a task more.
    timer = asyncio.get_running_loop().call_later(_ANSWER_S, give_up)
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        goes_on = b"\r\nconnection: close\r\n" not in head
        start = head.find(b"\r\ncontent-length:")
        if start >= 0:
            await reader.readexactly(int(head[start + 17 : head.index(b"\r\n", start + 2)]))
        elif b"\r\ntransfer-encoding:" in head:  # In chunks.
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        else:  # Up to the end of the connection.
            await reader.read()
            goes_on = False
    finally:
        timer.cancel()
    return head.split(b" ", 2)[1] == b"200" and not late, goes_on


PROTOCOLS = {"gRPC": over_grpc, "REST": over_http}


def main(arguments: list[str]) -> None:
    """Measures what the arguments name."""
    protocol, address, path, body, in_flight, seconds = arguments
    figures = PROTOCOLS[protocol](
        address, path, Path(body).read_bytes(), int(in_flight), float(seconds)
    )
    print(json.dumps(asyncio.run(figures)))


if __name__ == "__main__":
    main(sys.argv[1:])

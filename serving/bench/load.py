"""A load generator: a closed loop of so many requests in flight, over gRPC or HTTP.

  python -m digitline.serving.bench.load PROTOCOL HOST:PORT PATH BODY_FILE IN_FLIGHT SECONDS

Sends the same bytes again and again and looks at the status of each answer alone, so that the
generator takes as little of the machine as it can. Prints a JSON object.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

# Requests whose time does not count, for each in flight.
_WARM_UP = 10

# Sends one request; gives whether it was answered well.
Send = Callable[[], Awaitable[bool]]


async def measure(senders: list[Send], seconds: float) -> dict[str, float]:
    """Drives each sender in a loop of its own.

    Returns:
      `requests_per_s`, `p50_ms`, `p99_ms` of those that were answered well, and `errors`.
    """
    times: list[float] = []
    errors = 0

    async def drive(send: Send, until: float, count: int) -> None:
        nonlocal errors
        while count or time.perf_counter() < until:
            start = time.perf_counter()
            if await send():
                times.append(time.perf_counter() - start)
            else:
                errors += 1
            count = max(0, count - 1)

    await asyncio.gather(*(drive(send, 0.0, _WARM_UP) for send in senders))
    times.clear()
    errors = 0
    start = time.perf_counter()
    await asyncio.gather(*(drive(send, start + seconds, 0) for send in senders))
    took = time.perf_counter() - start
    p50, p99 = np.percentile(times, [50, 99]) * 1000 if times else (float("nan"),) * 2
    return {
        "requests_per_s": len(times) / took,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "errors": errors,
    }


async def over_grpc(
    address: str, path: str, body: bytes, in_flight: int, seconds: float
) -> dict[str, float]:
    """As `measure`, on one gRPC channel."""
    import grpc

    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(path)

        async def send() -> bool:
            try:
                await call(body, timeout=30)
                return True
            except grpc.RpcError:
                return False

        return await measure([send] * in_flight, seconds)


async def over_http(
    address: str, path: str, body: bytes, in_flight: int, seconds: float
) -> dict[str, float]:
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
                    kept.append(await asyncio.open_connection(host, int(port)))
                reader, writer = kept[0]
                writer.write(request)
                return await _is_good(reader)
            except (OSError, asyncio.IncompleteReadError):
                kept.clear()
                return False

        return send

    return await measure([sender() for _ in range(in_flight)], seconds)


async def _is_good(reader: asyncio.StreamReader) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    at = head.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
    else:  # In chunks.
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    return head.split(b" ", 2)[1] == b"200"


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

"""How a servable's calls run beside the event loop: each in a thread, and large ones in pieces.

Between two pieces other requests have their turn.

`batching.py` has the other way: requests joined into batches.
"""

import asyncio
import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import grpc
import numpy as np
from absl import logging

from ..bounds.in_place import Kind, Kinds
from ..bounds.limits import check_rows
from ..protocol.status import StatusError
from .servable import Servable

# Rows of the first piece, and of any; how many seconds one should take.
_FIRST, _FEWEST, MOST_ROWS, _SECONDS = 64, 16, 1024, 0.03
_PROBED = 32  # Rows that are run twice, to see whether they depend on one another.

T = TypeVar("T")

# As `Servable.run`, without holding up the event loop.
Run = Callable[[str, Mapping[str, np.ndarray], Sequence[str]], Awaitable[list[np.ndarray]]]
# The same for a request: takes the API that it calls first (Predict, Classify, Regress).
RequestRun = Callable[
    [str, str, Mapping[str, np.ndarray], Sequence[str]], Awaitable[list[np.ndarray]]
]
# From a model's name, the number of a version and the version.
MakeRun = Callable[[str, int, Servable], RequestRun]


@dataclasses.dataclass(frozen=True)
class Lease:
    """A loaded version of the model `name`, which is not unloaded while the lease is held."""

    name: str
    version: int
    folder: Path
    servable: Servable
    run: RequestRun


def direct(servable: Servable, pool: concurrent.futures.Executor) -> Run:
    """Runs each call by itself: on a thread of the pool, or in place if it is quick."""
    kinds = Kinds(servable.compiled)

    async def run(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        kind = kinds.of(signature, inputs)
        if kind is not None and kind.call is not None:
            return kind.run(kind.call, inputs, outputs)
        call = pool.submit(_timed, kind, servable.run, signature, inputs, outputs)
        try:
            return await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            # One that runs cannot be broken off. Its lease is held until it ends: else the
            # version could be unloaded under the thread.
            if not call.cancel():
                await asyncio.wait([asyncio.wrap_future(call)])
            raise

    return run


def _timed(kind: Kind | None, run: Callable[..., T], *arguments: object) -> T:
    """In a thread."""
    start = time.perf_counter()
    result = run(*arguments)
    if kind is not None:
        kind.tell(time.perf_counter() - start)
    return result


def timed(run: Run, observe: Callable[[str, str, float], None]) -> RequestRun:
    """The same for requests.

    `observe` gets the API, the signature and the seconds of each, its wait in a queue included.
    """

    async def run_timed(
        api: str, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        start = time.perf_counter()
        try:
            return await run(signature, inputs, outputs)
        finally:
            observe(api, signature, time.perf_counter() - start)

    return run_timed


def in_pieces(model: str, servable: Servable, run: Run, most: int = MOST_ROWS) -> Run:
    """Runs calls of more than 64 rows in pieces, one after the other.

    Only where the first axis of all tensors is open, and 32 of the rows have the same answers
    with and without 16 of their neighbours: a model may take means over its batch.

    Args:
      model: its name, for the log.
      servable: whose calls are run.
      run: runs a piece.
      most: rows of a piece.
    """
    pieces = _Pieces(model, run, most)

    async def run_in_pieces(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        rows = servable.signatures[signature].rows(inputs)
        if rows > min(_FIRST, most):
            return await pieces.run(signature, inputs, outputs, rows)
        return await run(signature, inputs, outputs)

    return run_in_pieces


def limited(servable: Servable, run: Run, most: int) -> Run:
    """The same, which refuses requests of more rows than `most`."""

    async def run_limited(
        signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        check_rows(servable.signatures[signature].rows(inputs), most)
        return await run(signature, inputs, outputs)

    return run_limited


class _Pieces:
    def __init__(self, model: str, run: Run, most: int):
        self._model, self._run, self._most = model, run, most
        self._told: set[str] = set()  # Signatures that were named in the log.

    async def run(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        rows: int,
    ) -> list[np.ndarray]:
        if not await self._independent(signature, inputs, outputs, rows):
            if signature not in self._told:
                self._told.add(signature)
                logging.warning(
                    "Model %s: answers of %s depend on other rows of the request: one of many "
                    "rows is run as a whole",
                    *(self._model, signature),
                )
            return await self._run(signature, inputs, outputs)
        answers, start, size = [], 0, min(_FIRST, self._most)
        while start < rows:
            begun = time.perf_counter()
            end = min(start + size, rows)
            piece = {name: array[start:end] for name, array in inputs.items()}
            values = await self._run(signature, piece, outputs)
            _check(values, outputs, end - start)
            answers.append(values)
            row_seconds = (time.perf_counter() - begun) / (end - start)
            start = end
            size = min(max(int(_SECONDS / row_seconds), _FEWEST), MOST_ROWS, self._most)
        return await asyncio.to_thread(_joined, answers)

    async def _independent(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        rows: int,
    ) -> bool:
        """Whether a row's answer is the same whatever rows stand beside it."""
        count = min(_PROBED, self._most)
        chosen = np.linspace(0, rows - 1, count).astype(int)
        probe = {name: array[chosen] for name, array in inputs.items()}
        half = {name: array[: count // 2] for name, array in probe.items()}
        together = await self._run(signature, probe, outputs)
        alone = await self._run(signature, half, outputs)
        return all(
            one.ndim > 0 and len(one) == count and _same(one[: len(other)], other)
            for one, other in zip(together, alone, strict=True)
        )


def _joined(answers: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    return [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two answers agree but for rounding."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fc":
        scale = float(np.nanmax(np.abs(other), initial=0)) if other.size else 0.0
        return np.allclose(one, other, rtol=1e-3, atol=1e-4 * scale, equal_nan=True)
    return np.array_equal(one, other)


def _check(values: Sequence[np.ndarray], outputs: Sequence[str], rows: int) -> None:
    for name, value in zip(outputs, values, strict=True):
        if value.ndim == 0 or len(value) != rows:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Output tensor '{name}' has {len(value) if value.ndim else 'no'} rows for {rows} "
                "rows of input, but its signature has the first axis open in all tensors",
            )


async def in_own_thread(function: Callable[..., T], *arguments: object) -> T:
    """Awaits a call that may take minutes, on a thread that keeps nothing else waiting.

    A thread of a pool would keep other calls waiting, and the end of the process.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # Whoever waits may leave; the call goes on.

    def work() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(future)

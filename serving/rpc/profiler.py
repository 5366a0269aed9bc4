"""TensorFlow's profiler over gRPC, as TF Serving has it: TensorBoard's "capture profile".

Source of the service: `tsl/profiler/protobuf/profiler_service.proto` of
https://github.com/openxla/xla. TF Serving writes the trace into a folder that the client names, on
the server's disk. Here it comes in the answer, where the client takes it too, and writes it itself.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import grpc

from ..protocol import messages
from ..protocol.status import StatusError, invalid
from .reading import Incoming

PROFILER_SERVICE = "tensorflow.ProfilerService"
_LONGEST_MS = 10_000  # A trace holds each op of each request: megabytes a second.
_TRACE = "xplane.pb"


class Profiler:
    """Traces what TensorFlow does in this process; one trace at a time."""

    def __init__(self) -> None:
        """Traces nothing yet."""
        self._is_tracing = False

    async def profile(self, call: Incoming) -> messages.ProfileResponse:
        """Answers `Profile`: waits so long, and gives the trace.

        Args:
          call: a ProfileRequest; of it, only the duration matters.

        Raises:
          StatusError: INVALID_ARGUMENT: no duration, or one of more than ten seconds;
            ALREADY_EXISTS: a trace is being taken; FAILED_PRECONDITION: TensorFlow runs no model
            here.
        """
        milliseconds = call.message.duration_ms
        if not 0 < milliseconds <= _LONGEST_MS:
            raise invalid(f"duration_ms is {milliseconds}, not between 1 and {_LONGEST_MS}")
        if self._is_tracing:
            raise StatusError(grpc.StatusCode.ALREADY_EXISTS, "A trace is being taken; try again")
        if "tensorflow" not in sys.modules:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "TensorFlow runs no model in this process: there is nothing to trace",
            )
        self._is_tracing = True
        try:
            trace = await _traced(milliseconds / 1000)
        finally:
            self._is_tracing = False
        await call.hold.resize(call.size + 2 * len(trace), call.effort)
        response = messages.ProfileResponse(empty_trace=not trace)
        if trace:
            response.tool_data.add(name=_TRACE, data=trace)
        return response


async def _traced(seconds: float) -> bytes:
    """What TensorFlow did in so many seconds: a serialized XSpace; empty if there is none."""
    from ...base.tf import tf  # It is imported already.

    with tempfile.TemporaryDirectory(prefix="digitline-profile-") as folder:
        options = tf.profiler.experimental.ProfilerOptions(python_tracer_level=0)
        await asyncio.to_thread(tf.profiler.experimental.start, folder, options)
        try:
            await asyncio.sleep(seconds)
        finally:
            # Also for a client who has gone: else nobody could trace again.
            await asyncio.shield(asyncio.to_thread(tf.profiler.experimental.stop))
        traces = list(Path(folder).rglob(f"*.{_TRACE}"))
        return await asyncio.to_thread(traces[0].read_bytes) if traces else b""

"""Errors in gRPC's form: texts that fit in a header, messages that do not parse."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

# gRPC sends an error's text in a header, which clients limit to 8 kB with all others; a byte
# that is not printable ASCII is three there.
_LONGEST_TEXT = 2000
_PRINTABLE = {chr(number) for number in range(0x20, 0x7F)} - {"%"}
# Stands for a message that does not parse.
_DAMAGED = object()


def header_text(message: str) -> str:
    """As much of a message as fits."""
    size, text = 0, message.encode("utf-8", "replace").decode()
    for number, character in enumerate(text):
        size += 1 if character in _PRINTABLE else 3 * len(character.encode())
        if size > _LONGEST_TEXT:
            return text[:number]
    return text


class Parsing:
    """Stands for a server where generated code adds its services to one.

    Their messages that do not parse are INVALID_ARGUMENT, where gRPC says INTERNAL.
    """

    def __init__(self, server: grpc.aio.Server):
        """Adds to this server."""
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds handlers of calls."""
        self._server.add_generic_rpc_handlers([_Handler(handler) for handler in handlers])

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """The same handlers by name: not needed."""


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, handler: grpc.GenericRpcHandler):
        self._handler = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        found: Any = self._handler.service(handler_call_details)  # A named tuple.
        if found is None:
            return None
        return found._replace(
            request_deserializer=_parsed(found.request_deserializer),
            unary_unary=found.unary_unary and _of_one(found.unary_unary),
            unary_stream=found.unary_stream and _of_one(found.unary_stream),
            stream_stream=found.stream_stream and _of_several(found.stream_stream),
        )


def _parsed(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def parsed(data: bytes) -> object:
        try:
            return parse(data)
        except DecodeError:
            return _DAMAGED

    return parsed


async def _refuse(context: grpc.aio.ServicerContext) -> None:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message does not parse")


def _of_one(handle: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    async def call(request: object, context: grpc.aio.ServicerContext) -> object:
        if request is _DAMAGED:
            await _refuse(context)
        return await handle(request, context)

    return call


def _of_several(handle: Callable[..., AsyncIterator[object]]) -> Callable[..., object]:
    async def call(
        requests: AsyncIterator[object], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[object]:
        async def whole() -> AsyncIterator[object]:
            async for request in requests:
                if request is _DAMAGED:
                    await _refuse(context)
                yield request

        async for answer in handle(whole(), context):
            yield answer

    return call

"""Errors in gRPC's form: texts that fit in a header, messages that do not parse."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from ..protocol.status import StatusError, invalid
from .coming import END, Coming

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

    Their messages that do not parse are INVALID_ARGUMENT, where gRPC says INTERNAL; and they are
    received as those of the other services are.
    """

    def __init__(self, server: grpc.aio.Server, coming: Coming):
        """Adds to this server."""
        self._server, self._coming = server, coming

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Adds handlers of calls."""
        self._server.add_generic_rpc_handlers(
            [_Handler(handler, self._coming) for handler in handlers]
        )

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """The same handlers by name: not needed."""


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, handler: grpc.GenericRpcHandler, coming: Coming):
        self._handler, self._coming = handler, coming

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        found: Any = self._handler.service(handler_call_details)  # A named tuple.
        if found is None:
            return None
        several = found.stream_stream and self._of_several(found.stream_stream)
        return found._replace(
            request_streaming=True,
            request_deserializer=_parsed(found.request_deserializer),
            unary_unary=None,
            unary_stream=None,
            stream_unary=found.unary_unary and self._of_one(found.unary_unary),
            stream_stream=several or (found.unary_stream and self._of_one(found.unary_stream)),
        )

    def _of_one(self, handle: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def call(_: object, context: grpc.aio.ServicerContext) -> object:
            return await handle(await self._message(context, self._coming.only), context)

        return call

    def _of_several(self, handle: Callable[..., AsyncIterator[object]]) -> Callable[..., object]:
        async def call(_: object, context: grpc.aio.ServicerContext) -> AsyncIterator[object]:
            async def requests() -> AsyncIterator[object]:
                while (request := await self._message(context, self._coming.next)) is not END:
                    yield request

            async for answer in handle(requests(), context):
                yield answer

        return call

    async def _message(
        self,
        context: grpc.aio.ServicerContext,
        receive: Callable[[grpc.aio.ServicerContext], Awaitable[object]],
    ) -> object:
        try:
            message = await receive(context)
            if message is _DAMAGED:
                raise invalid("the message does not parse")
            return message
        except StatusError as error:
            await context.abort(error.code, header_text(error.message))
            raise  # Not reached: abort raises.


def _parsed(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def parsed(data: bytes) -> object:
        try:
            return parse(data)
        except DecodeError:
            return _DAMAGED

    return parsed

"""Answers every call with nothing: what a gRPC round trip takes by itself.

python benchmarks/peers/serve_empty_grpc.py - PORT
"""

import asyncio
import sys

import grpc


class Anything(grpc.GenericRpcHandler):
    """Any method of any service."""

    def service(self, handler_call_details):
        """The one handler."""
        return grpc.unary_unary_rpc_method_handler(self._nothing)

    async def _nothing(self, request, context):
        return b""


async def serve(port: str) -> None:
    """Until it is stopped."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Anything(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2]))

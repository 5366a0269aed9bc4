"""Parses a PredictRequest and writes a PredictResponse of ten classes: a round trip by itself.

python benchmarks/peers/serve_empty_grpc.py - PORT
"""

import asyncio
import sys

import grpc

from digitline.serving.protocol import messages


class Anything(grpc.GenericRpcHandler):
    """Any method of any service."""

    def service(self, handler_call_details):
        """The one handler."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, data, context):
        request = messages.PredictRequest.FromString(data)
        response = messages.PredictResponse()
        response.model_spec.name = request.model_spec.name
        probabilities, classes = response.outputs["probabilities"], response.outputs["classes"]
        probabilities.dtype, classes.dtype = 1, 9  # DT_FLOAT, DT_INT64
        probabilities.float_val.extend([0.1] * 10)
        classes.int64_val.append(7)
        return response.SerializeToString()


async def serve(port: str) -> None:
    """Until it is stopped."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Anything(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[2]))

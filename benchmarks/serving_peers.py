"""Other servers of a SavedModel, each as its own documentation has it.

  python benchmarks/serving_peers.py NAME SAVED_MODEL PORT

All call the same signature, `serving_default`, in one Python process.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUntypedBaseClass=false

_IMAGES, _PROBABILITIES = "images", "probabilities"
# Of those that join requests to batches: rows, and seconds that the first waits.
_BATCH, _WAIT_S = 64, 0.001


def open_signature(saved_model: str) -> Callable[[Any], Any]:
    """From images uint8 [N, H, W, C] to probabilities, numpy arrays."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    loaded = tf.saved_model.load(saved_model)

    def call(images: Any) -> Any:
        signature = loaded.signatures["serving_default"]
        return signature(images=tf.constant(images, tf.uint8))[_PROBABILITIES].numpy()

    return call


def plain_grpc(saved_model: str, port: int) -> None:
    """The gRPC server of tutorials: a pool of ten threads around `signature(...)`."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    loaded = tf.saved_model.load(saved_model)
    signature = loaded.signatures["serving_default"]

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (of the service)
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
            response = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(10))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def empty_grpc(saved_model: str, port: int) -> None:
    """Answers every call with nothing: what a gRPC round trip takes by itself."""
    del saved_model
    import asyncio

    import grpc

    async def nothing(request: bytes, context: Any) -> bytes:
        return b""

    class Anything(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(nothing)

    async def serve() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Anything(),))
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(serve())


def fastapi(saved_model: str, port: int) -> None:
    """FastAPI on uvicorn."""
    import uvicorn
    from fastapi import FastAPI

    call = open_signature(saved_model)
    app = FastAPI()

    @app.post("/predict")
    def predict(body: dict) -> dict:
        return {_PROBABILITIES: call(body[_IMAGES]).tolist()}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def litserve(saved_model: str, port: int) -> None:
    """LitServe, with its batching."""
    code = f"""
import litserve, numpy as np
from serving_peers import open_signature

class Digits(litserve.LitAPI):
    def setup(self, device):
        self.call = open_signature({saved_model!r})

    def decode_request(self, request):
        return np.asarray(request["images"], np.uint8)[0]

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, images):
        return self.call(images)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {{"probabilities": [output.tolist()]}}

if __name__ == "__main__":
    api = Digits(max_batch_size={_BATCH}, batch_timeout={_WAIT_S})
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port={port}, generate_client_file=False, log_level="warning")
"""
    _in_folder({"served.py": code}, [sys.executable, "served.py"])


def bentoml(saved_model: str, port: int) -> None:
    """BentoML, with its adaptive batching."""
    code = f"""
import bentoml, numpy as np
from serving_peers import open_signature

@bentoml.service(workers=1)
class Digits:
    def __init__(self):
        self.call = open_signature({saved_model!r})

    @bentoml.api(batchable=True, max_batch_size={_BATCH}, max_latency_ms=1000)
    def predict(self, images: np.ndarray) -> np.ndarray:
        return self.call(images.astype(np.uint8))
"""
    _in_folder(
        {"service.py": code},
        [sys.executable, "-m", "bentoml", "serve", "service:Digits", "--port", str(port)],
    )


def mlserver(saved_model: str, port: int) -> None:
    """MLServer (the Open Inference Protocol), with its adaptive batching."""
    code = f"""
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from serving_peers import open_signature

class Digits(MLModel):
    async def load(self):
        self.call = open_signature({saved_model!r})
        return True

    async def predict(self, payload):
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(np.uint8)
        output = NumpyCodec.encode_output("probabilities", self.call(images))
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
    settings = {
        "http_port": port,
        "host": "127.0.0.1",
        "grpc_port": port + 1,
        "metrics_port": port + 2,
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": "digits",
        "implementation": "model.Digits",
        "max_batch_size": _BATCH,
        "max_batch_time": _WAIT_S,
    }
    _in_folder(
        {
            "model.py": code,
            "settings.json": json.dumps(settings),
            "model-settings.json": json.dumps(model),
        },
        [sys.executable, "-m", "mlserver.cli.main", "start", "."],
    )


def _in_folder(contents: dict[str, str], command: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
        for name, text in contents.items():
            Path(folder, name).write_text(text)
        paths = [folder, *sys.path]
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            check=True,
        )


SERVERS = {
    "plain_grpc": plain_grpc,
    "empty_grpc": empty_grpc,
    "fastapi": fastapi,
    "litserve": litserve,
    "bentoml": bentoml,
    "mlserver": mlserver,
}

if __name__ == "__main__":
    name, saved_model, port = sys.argv[1:]
    SERVERS[name](saved_model, int(port))

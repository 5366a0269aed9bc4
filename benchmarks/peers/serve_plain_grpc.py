"""The gRPC server of tutorials: a pool of ten threads around `signature(...)`.

python benchmarks/peers/serve_plain_grpc.py SAVED_MODEL PORT
"""

import sys
from concurrent import futures

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict only."""

    def __init__(self, saved_model: str):
        self._loaded = tf.saved_model.load(saved_model)
        self._signature = self._loaded.signatures["serving_default"]

    def Predict(self, request, context):  # noqa: N802 (of the service)
        """Tensors in, tensors out."""
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        outputs = self._signature(**{name: tf.constant(value) for name, value in inputs.items()})
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(10))
    service = Service(sys.argv[1])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
    server.start()
    server.wait_for_termination()

"""Small servers that speak TF Serving's interfaces, and share nothing with our own code.

Over gRPC they read and write by TensorFlow and tensorflow-serving-api, over REST by hand after
TF Serving's guide, https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import contextlib
import http.server
import json
import re
import socket
import threading
import urllib.parse
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# gRPC's codes by HTTP status.
CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def probabilities(images):
    """Any function of pixels: the light in ten bands of columns, float32 [N, 10]."""
    light = 1 + images[..., 0].astype(np.float64).sum(axis=1)
    bands = np.stack([part.sum(axis=1) for part in np.array_split(light, 10, axis=1)], axis=1)
    return (bands / bands.sum(axis=1, keepdims=True)).astype(np.float32)


def default(images):
    scores = probabilities(images)
    return {"probabilities": scores, "classes": scores.argmax(axis=1)}


def classify(inputs):
    features = tf.io.parse_example(inputs, {"image": tf.io.FixedLenFeature([], "string")})
    images = [tf.io.decode_png(png, channels=1).numpy() for png in features["image"]]
    scores = probabilities(np.stack(images))
    order = np.argsort(-scores, axis=1)
    names = np.array([[NAMES[index].encode() for index in row] for row in order], object)
    return {"classes": names, "scores": np.take_along_axis(scores, order, axis=1)}


def predict_bytes(image_bytes):
    images = [tf.io.decode_image(file, 1, expand_animations=False) for file in image_bytes]
    if any(image.shape != (28, 28, 1) for image in images):
        raise ValueError("one of the pictures is not 28x28")
    return default(np.stack([image.numpy() for image in images]))


def of_four(images):
    assert len(images) == 4
    return {"scores": probabilities(images)}


def echo(numbers, words):
    total = np.array([len(word) for word in words], np.int64)
    return {"numbers": numbers, "total": total, "words": words, "raw_bytes": words}


def only(x):
    return {"y": x * np.float16(2)}


def signature(method, inputs, outputs):
    """A `tensorflow.SignatureDef`; inputs and outputs are (dtype, shape) by name."""
    definition = meta_graph_pb2.SignatureDef(method_name=f"tensorflow/serving/{method}")
    for infos, tensors in ((definition.inputs, inputs), (definition.outputs, outputs)):
        for name, (dtype, shape) in tensors.items():
            infos[name].name = f"{name}:0"
            infos[name].dtype = dtype.as_datatype_enum
            infos[name].tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return definition


IMAGES, ROWS, STRINGS = (tf.uint8, (None, 28, 28, 1)), (tf.float32, (None, 10)), (tf.string, [None])
INTEGERS, PAIRS, HALVES = (tf.int64, [None]), (tf.float32, (None, 2)), (tf.float16, None)
ECHOED = {"numbers": PAIRS, "total": INTEGERS, "words": STRINGS, "raw_bytes": STRINGS}
RANKED = {"classes": (tf.string, (None, 10)), "scores": ROWS}
FOUR_IMAGES, FOUR_ROWS = (tf.uint8, (4, 28, 28, 1)), (tf.float32, (4, 10))
# Signatures, and what they do.
SIGNATURES = {
    name: (signature(method, inputs, outputs), run)
    for name, method, inputs, outputs, run in (
        ("serving_default", "predict", {"images": IMAGES},
         {"probabilities": ROWS, "classes": INTEGERS}, default),
        ("classify", "classify", {"inputs": STRINGS}, RANKED, classify),
        ("predict_bytes", "predict", {"image_bytes": STRINGS},
         {"probabilities": ROWS, "classes": INTEGERS}, predict_bytes),
        ("of_four", "predict", {"images": FOUR_IMAGES}, {"scores": FOUR_ROWS}, of_four),
        ("echo", "predict", {"numbers": PAIRS, "words": STRINGS}, ECHOED, echo),
        ("only", "predict", {"x": HALVES}, {"y": HALVES}, only),
    )
}  # fmt: skip


class RefusedError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Stub:
    """One server.

    Attributes:
      address: of it, as the client takes it.
      requests: (method, model, version, label) of each.
      batch_sizes: images in each request of `serving_default` and `of_four`.
      files: that `predict_bytes` was sent.
      refusals: HTTP statuses to answer the next requests with.
      free: while it is not set, no request is answered.
      stop: stops the server.
    """

    def __init__(self):
        self.address = ""
        self.free = threading.Event()
        self.stop = lambda: None
        self.reset()

    def reset(self):
        """As it was when it was new."""
        self.requests, self.batch_sizes, self.refusals, self.files = [], [], [], []
        self.free.set()

    def check(self, method, model, version=None, label=None):
        self.requests.append((method, model, version, label))
        self.free.wait(10)
        if self.refusals:
            raise RefusedError(self.refusals.pop(0), "no place in the queue; try again")
        if model not in ("default", "digits"):
            raise RefusedError(404, f"Servable not found for request: Latest({model})")

    def predict(self, name, inputs):
        if name not in SIGNATURES:
            raise RefusedError(400, f'Serving signature key "{name}" not found.')
        definition, run = SIGNATURES[name]
        if set(inputs) != set(definition.inputs):
            raise RefusedError(400, f"input size does not match signature: {len(inputs)}")
        if "images" in inputs:
            self.batch_sizes.append(len(inputs["images"]))
        self.files += list(inputs.get("image_bytes", ()))
        try:
            return run(**inputs)
        except ValueError as error:
            raise RefusedError(400, str(error)) from None


def signature_def_map():
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, (definition, _) in SIGNATURES.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures


def status_response():
    response = get_model_status_pb2.GetModelStatusResponse()
    response.model_version_status.add(version=2, state="LOADING").status.error_message = ""
    response.model_version_status.add(version=1, state="AVAILABLE")
    bad = response.model_version_status.add(version=3, state="END")
    bad.status.error_code, bad.status.error_message = "NOT_FOUND", "no variables"
    return response


def grpc_stub(target="127.0.0.1:0", credentials=None, typed=False):
    """A gRPC server; `typed` answers as TF Serving does by default."""
    stub = Stub()

    def model_of(spec):
        version = spec.version.value if spec.HasField("version") else None
        return spec.name, version, spec.version_label or None

    def guarded(method):
        def call(request, context):
            try:
                return method(request)
            except RefusedError as refusal:
                context.abort(grpc.StatusCode[CODES[refusal.status]], refusal.message)

        return call

    @guarded
    def predict(request):
        stub.check("predict", *model_of(request.model_spec))
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        outputs = stub.predict(request.model_spec.signature_name, inputs)
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name in request.output_filter or outputs:
            tensor = tf.make_tensor_proto(outputs[name])
            if typed and tensor.tensor_content:
                tensor.ClearField("tensor_content")
                fields = {types_pb2.DT_FLOAT: "float_val", types_pb2.DT_INT64: "int64_val"}
                getattr(tensor, fields[tensor.dtype]).extend(outputs[name].ravel().tolist())
            response.outputs[name].CopyFrom(tensor)
        return response

    @guarded
    def metadata(request):
        stub.check("metadata", *model_of(request.model_spec))
        if list(request.metadata_field) != ["signature_def"]:
            raise RefusedError(400, f"Metadata field {request.metadata_field[0]} is not supported")
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        response.metadata["signature_def"].Pack(signature_def_map())
        return response

    @guarded
    def status(request):
        stub.check("status", *model_of(request.model_spec))
        return status_response()

    prediction = prediction_service_pb2_grpc.PredictionServiceServicer()
    prediction.Predict, prediction.GetModelMetadata = predict, metadata
    models = model_service_pb2_grpc.ModelServiceServicer()
    models.GetModelStatus = status
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    if credentials is None:
        scheme, port = "grpc", server.add_insecure_port(target)
    else:
        scheme, port = "grpcs", server.add_secure_port(target, credentials)
    server.start()
    stub.address = target if target.startswith("unix:") else f"{scheme}://localhost:{port}"
    stub.stop = lambda: server.stop(0).wait()
    return stub


def rest_stub(port=0, context=None):
    """An HTTP server with the REST API."""
    stub = Stub()
    connections = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        default_request_version = "HTTP/1.1"  # Of errors, too.
        disable_nagle_algorithm = True

        def setup(self):
            connections.append(self.request)
            super().setup()

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, answer = 200, rest_answer(stub, self.command, self.path, body)
            except RefusedError as refusal:
                status, answer = refusal.status, {"error": refusal.message}
            content = json.dumps(answer, ensure_ascii=False).encode(errors="surrogateescape")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.handle_error = lambda *_: None  # Clients go away while they are answered.
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    scheme = "http" if context is None else "https"
    stub.address = f"{scheme}://localhost:{server.server_port}"

    def stop():
        server.shutdown()
        server.socket.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    stub.stop = stop
    return stub


def rest_answer(stub, command, path, body):
    """What TF Serving answers to a request, to be written as JSON."""
    pattern = r"/v1/models/([^/:]+)(?:/(versions|labels)/([^/:]+))?(/metadata|:predict)?"
    match = re.fullmatch(pattern, path)
    if match is None:
        raise RefusedError(400, f"Malformed request: {command} {path}")
    name, kind, number, verb = match.groups()
    version = int(number) if kind == "versions" else None
    model = (urllib.parse.unquote(name), version, number if kind == "labels" else None)
    if verb != ":predict":
        stub.check("metadata" if verb else "status", *model)
        stated = json_format.MessageToDict(
            signature_def_map() if verb else status_response(),
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        spec = {"name": model[0], "signature_name": "", "version": "1"}
        return {"model_spec": spec, "metadata": {"signature_def": stated}} if verb else stated
    assert command == "POST"
    stub.check("predict", *model)
    request = json.loads(body)
    infos = SIGNATURES[request["signature_name"]][0].inputs
    inputs = {
        key: from_json(value, tf.as_dtype(infos[key].dtype))
        for key, value in request["inputs"].items()
        if key in infos
    }
    outputs = stub.predict(request["signature_name"], inputs)
    columns = {key: to_json(value, key.endswith("_bytes")) for key, value in outputs.items()}
    return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}


def to_json(value, as_base64):
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(value, list):
        return [to_json(item, as_base64) for item in value]
    if not isinstance(value, bytes):
        return value
    if as_base64:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="surrogateescape")


def from_json(value, dtype):
    def decode(item):
        if isinstance(item, list):
            return [decode(inner) for inner in item]
        return base64.b64decode(item["b64"]) if isinstance(item, dict) else item.encode()

    if dtype == tf.string:
        return np.array(decode(value), object)
    return np.array(value, dtype.as_numpy_dtype)

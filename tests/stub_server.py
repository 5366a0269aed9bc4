"""Small servers that speak TF Serving's interfaces with TF Serving's own messages.

What a client sends is read, and what it gets is written, by TensorFlow and
tensorflow-serving-api over gRPC, and by hand after TF Serving's guide of its REST API.
"""

import asyncio
import base64
import json
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import tensorflow as tf
from aiohttp import web
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
_BATCH = (None,)
SIGNATURES = {
    "serving_default": (
        "tensorflow/serving/predict",
        {"images": (tf.uint8, (None, 28, 28, 1))},
        {"probabilities": (tf.float32, (None, 10)), "classes": (tf.int64, _BATCH)},
    ),
    "classify": (
        "tensorflow/serving/classify",
        {"inputs": (tf.string, _BATCH)},
        {"classes": (tf.string, (None, 10)), "scores": (tf.float32, (None, 10))},
    ),
    "of_four": (
        "tensorflow/serving/predict",
        {"images": (tf.uint8, (4, 28, 28, 1))},
        {"scores": (tf.float32, (4, 10))},
    ),
    "echo": (
        "tensorflow/serving/predict",
        {"numbers": (tf.float32, (None, 2)), "words": (tf.string, _BATCH)},
        {
            "numbers": (tf.float32, (None, 2)),
            "total": (tf.int64, _BATCH),
            "words": (tf.string, _BATCH),
            "raw_bytes": (tf.string, _BATCH),
        },
    ),
    "lone": (
        "tensorflow/serving/predict",
        {"x": (tf.float16, None)},
        {"y": (tf.float16, None)},
    ),
}
CODES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 503: "UNAVAILABLE"}


def probabilities(images):
    """Any function of pixels: the light in ten bands of columns, float32 [N, 10]."""
    light = 1 + images[..., 0].astype(np.float64).sum(axis=1)
    bands = np.stack([part.sum(axis=1) for part in np.array_split(light, 10, axis=1)], axis=1)
    return (bands / bands.sum(axis=1, keepdims=True)).astype(np.float32)


def answer(signature, inputs):
    """The outputs of a signature."""
    if signature == "classify":
        features = tf.io.parse_example(
            inputs["inputs"], {"image": tf.io.FixedLenFeature([], "string")}
        )
        images = [tf.io.decode_png(each, channels=1).numpy() for each in features["image"]]
        scores = probabilities(np.stack(images))
        order = np.argsort(-scores, axis=1)
        names = np.array([[NAMES[index].encode() for index in row] for row in order], object)
        return {"classes": names, "scores": np.take_along_axis(scores, order, axis=1)}
    if signature == "echo":
        numbers, words = inputs["numbers"], inputs["words"]
        return {
            "numbers": numbers,
            "total": np.array([len(word) for word in words], np.int64),
            "words": words,
            "raw_bytes": words,
        }
    if signature == "lone":
        return {"y": inputs["x"] * np.float16(2)}
    found = probabilities(inputs["images"])
    if signature == "of_four":
        assert len(found) == 4
        return {"scores": found}
    return {"probabilities": found, "classes": found.argmax(axis=1)}


class RefusedError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Stub:
    """One server.

    Attributes:
      address: of it, as the client takes it.
      requests: (what, model, version, label) of each.
      sizes: images in each request of `serving_default` and `of_four`.
      refusals: HTTP statuses to answer the next requests with.
      delay_s: before each answer.
    """

    def __init__(self):
        self.address = ""
        self.requests, self.sizes, self.refusals = [], [], []
        self.delay_s = 0.0
        self.stop = lambda: None

    def check(self, what, model, version=None, label=None):
        self.requests.append((what, model, version, label))
        time.sleep(self.delay_s)
        if self.refusals:
            raise RefusedError(self.refusals.pop(0), "no place in the queue")
        if model not in ("default", "digits"):
            raise RefusedError(404, f"Servable not found for request: Latest({model})")

    def predict(self, signature, inputs):
        if signature not in SIGNATURES:
            raise RefusedError(400, f'Serving signature key "{signature}" not found.')
        expected = SIGNATURES[signature][1]
        if set(inputs) != set(expected):
            raise RefusedError(400, f"input size does not match signature: {len(inputs)}")
        if "images" in inputs:
            self.sizes.append(len(inputs["images"]))
        return answer(signature, inputs)


def signature_def_map():
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, (method, inputs, outputs) in SIGNATURES.items():
        each = found.signature_def[name]
        each.method_name = method
        for infos, tensors in ((each.inputs, inputs), (each.outputs, outputs)):
            for key, (dtype, shape) in tensors.items():
                infos[key].CopyFrom(
                    meta_graph_pb2.TensorInfo(
                        name=f"{key}:0",
                        dtype=dtype.as_datatype_enum,
                        tensor_shape=tf.TensorShape(shape).as_proto(),
                    )
                )
    return found


def status_response():
    found = get_model_status_pb2.GetModelStatusResponse()
    found.model_version_status.add(version=2, state="LOADING").status.error_message = ""
    found.model_version_status.add(version=1, state="AVAILABLE")
    bad = found.model_version_status.add(version=3, state="END")
    bad.status.error_code, bad.status.error_message = "NOT_FOUND", "no variables"
    return found


def _which(spec):
    version = spec.version.value if spec.HasField("version") else None
    return spec.name, version, spec.version_label or None


def grpc_stub(target="127.0.0.1:0", credentials=None, typed=False):
    """A gRPC server; `typed` answers as TF Serving does by default."""
    stub = Stub()

    def guarded(method):
        def call(self, request, context):
            del self
            try:
                return method(request)
            except RefusedError as refusal:
                context.abort(grpc.StatusCode[CODES[refusal.status]], refusal.message)

        return call

    @guarded
    def predict(request):
        stub.check("predict", *_which(request.model_spec))
        signature = request.model_spec.signature_name
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found = stub.predict(signature, inputs)
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name in request.output_filter or found:
            made = tf.make_tensor_proto(found[name])
            if typed and made.tensor_content:
                values = found[name].ravel().tolist()
                made.ClearField("tensor_content")
                fields = {types_pb2.DT_FLOAT: "float_val", types_pb2.DT_INT64: "int64_val"}
                getattr(made, fields[made.dtype]).extend(values)
            response.outputs[name].CopyFrom(made)
        return response

    @guarded
    def metadata(request):
        stub.check("metadata", *_which(request.model_spec))
        assert list(request.metadata_field) == ["signature_def"]
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        response.metadata["signature_def"].Pack(signature_def_map())
        return response

    @guarded
    def status(request):
        stub.check("status", *_which(request.model_spec))
        return status_response()

    prediction = type(
        "Prediction",
        (prediction_service_pb2_grpc.PredictionServiceServicer,),
        {"Predict": predict, "GetModelMetadata": metadata},
    )
    models = type(
        "Models", (model_service_pb2_grpc.ModelServiceServicer,), {"GetModelStatus": status}
    )
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction(), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(models(), server)
    if credentials is None:
        port = server.add_insecure_port(target)
    else:
        port = server.add_secure_port(target, credentials)
    server.start()
    scheme = "grpc" if credentials is None else "grpcs"
    stub.address = target if target.startswith("unix:") else f"{scheme}://localhost:{port}"
    stub.stop = lambda: server.stop(0).wait()
    return stub


def _json_output(name, value):
    if value.dtype != object:
        return value.tolist()

    def encode(each):
        if isinstance(each, list):
            return [encode(inner) for inner in each]
        if name.endswith("_bytes"):
            return {"b64": base64.b64encode(each).decode()}
        return each.decode(errors="surrogateescape")

    return encode(value.tolist())


def _from_json(value, dtype):
    def decode(each):
        if isinstance(each, list):
            return [decode(inner) for inner in each]
        return base64.b64decode(each["b64"]) if isinstance(each, dict) else each.encode()

    if dtype == tf.string:
        return np.array(decode(value), object)
    return np.array(value, dtype.as_numpy_dtype)


def rest_stub(port=0, context=None):
    """An HTTP server with the REST API."""
    stub = Stub()

    def which(request):
        name, _, verb = request.match_info["name"].partition(":")
        kind, at = request.match_info.get("kind"), request.match_info.get("at", "")
        if kind:
            at, _, verb = at.partition(":")
        version = int(at) if kind == "versions" else None
        return verb, (name, version, at if kind == "labels" else None)

    async def handle(request):
        verb, model = which(request)
        try:
            if request.path.endswith("/metadata"):
                await asyncio.to_thread(stub.check, "metadata", *model)
                found = json_format.MessageToDict(
                    signature_def_map(),
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
                spec = {"name": model[0], "signature_name": "", "version": "1"}
                return reply({"model_spec": spec, "metadata": {"signature_def": found}})
            if request.method == "GET":
                await asyncio.to_thread(stub.check, "status", *model)
                found = json_format.MessageToDict(
                    status_response(),
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
                return reply(found)
            assert verb == "predict"
            await asyncio.to_thread(stub.check, "predict", *model)
            body = json.loads(await request.read())
            signature = body["signature_name"]
            infos = SIGNATURES.get(signature, (0, {}, 0))[1]
            inputs = {
                name: _from_json(value, infos[name][0])
                for name, value in body["inputs"].items()
                if name in infos
            }
            found = stub.predict(signature, inputs)
        except RefusedError as refusal:
            return reply({"error": refusal.message}, refusal.status)
        columns = {name: _json_output(name, value) for name, value in found.items()}
        return reply({"outputs": columns if len(columns) > 1 else next(iter(columns.values()))})

    def reply(value, status=200):
        content = json.dumps(value, ensure_ascii=False).encode(errors="surrogateescape")
        return web.Response(body=content, status=status, content_type="application/json")

    application = web.Application(client_max_size=1 << 28)
    for path in ("/v1/models/{name}", "/v1/models/{name}/{kind:versions|labels}/{at}"):
        application.router.add_route("*", path, handle)
        application.router.add_route("GET", f"{path}/metadata", handle)
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def serve():
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
        await site.start()
        scheme = "http" if context is None else "https"
        stub.address = f"{scheme}://localhost:{runner.addresses[0][1]}"
        stub.runner = runner
        started.set()

    def work():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started.wait(10)

    def stop():
        asyncio.run_coroutine_threadsafe(stub.runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)

    stub.stop = stop
    return stub

"""gRPC messages at random: good ones, of which something is changed."""

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from grpc_health.v1 import health_pb2
from odd_rest import mangled

from digitline.serving.protocol import messages, tensors

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
_INTEGERS = (0, 1, -1, 2, 3, 4, 7, 23, 99, 127, 255, 2**20, 2**31 - 1, -(2**31))
_LARGE = (2**32, 2**53, 2**62, 2**63 - 1, -(2**63))
_FLOATS = (0.0, -0.0, 1.5, -1.0, 1e38, 1e-45, float("nan"), float("inf"), -float("inf"))
_TEXTS = (
    "", "m", "tf1", "tf2", "lite", "counter", "nobody", "serving_default", "classify", "scaled",
    "images", "x", "by", "signature_def", "description", "\x00", "é" * 300,
    "tensorflow/serving/classify", "tensorflow/serving/regress",
)  # fmt: skip
_BYTES = (b"", b"\x00", b"\xff" * 9, bytes(784), b"\x0a\x03\x0a\x01x")


def _predict(model, signature="", **inputs):
    request = messages.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        tensors.encode(np.asarray(value), request.inputs[name])
    return request


def _with_examples(request, model, signature):
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for value in (1.0, 2.0):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return request


def _multi():
    request = messages.MultiInferenceRequest()
    for signature in ("regress", "classify"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{signature}")
        task.model_spec.name, task.model_spec.signature_name = "tf1", f"{signature}_x_to_y"
    example = request.input.example_list_with_context
    example.context.features.feature["x"].float_list.value.append(3.0)
    example.examples.add()
    return request


def _metadata(model, *fields):
    request = messages.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def _status(model):
    request = messages.GetModelStatusRequest()
    request.model_spec.name = model
    return request


def _reload():
    request = messages.ReloadConfigRequest()
    request.config.model_config_list.config.add(name="m", base_path="/nowhere")
    return request


def _calls():
    """Path and message of good calls."""
    images = np.arange(784, dtype=np.uint8).reshape(1, 28, 28, 1)
    for request in (
        _predict("m", images=images),
        _predict("tf1", x=np.float32([[1], [2]])),
        _predict("tf2", "scaled", x=np.float32([2]), by=np.float32([3])),
        _predict("counter", "incr_counter_by", delta=np.float32(3)),
        _predict("counter", "get_counter"),
        _predict("lite", x=np.float32([1, 2])),
    ):
        yield _PREDICTION + "Predict", request
    for method, model, signature, kind in (
        ("Classify", "tf1", "classify_x_to_y", messages.ClassificationRequest),
        ("Classify", "m", "classify", messages.ClassificationRequest),
        ("Regress", "tf1", "regress_x_to_y", messages.RegressionRequest),
    ):
        yield _PREDICTION + method, _with_examples(kind(), model, signature)
    yield _PREDICTION + "MultiInference", _multi()
    yield _PREDICTION + "GetModelMetadata", _metadata("m", "signature_def")
    yield _PREDICTION + "GetModelMetadata", _metadata("lite", "signature_def", "description")
    yield _MODEL + "GetModelStatus", _status("tf2")
    yield _MODEL + "HandleReloadConfigRequest", _reload()
    yield "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest(service="")


_GOOD = tuple(_calls())


def request(generator):
    """Path and bytes."""
    path, good = generator.choice(_GOOD)
    message = type(good)()
    message.CopyFrom(good)
    for _ in range(generator.choice((0, 1, 1, 1, 2, 4))):
        change(generator, message)
    content = message.SerializeToString()
    if generator.random() < 0.25:
        content = mangled(generator, content)
    if generator.random() < 0.02:
        path = generator.choice(_GOOD)[0]
    return path, content


def change(generator, message):
    """Changes one field, anywhere in the message."""
    if not message.DESCRIPTOR.fields:
        return
    present = [field for field, _ in message.ListFields()]
    is_deeper = present and generator.random() < 0.8
    field = generator.choice(present if is_deeper else message.DESCRIPTOR.fields)
    if generator.random() < 0.08:
        message.ClearField(field.name)
    elif field.message_type and field.message_type.GetOptions().map_entry:
        _change_map(generator, field, getattr(message, field.name))
    elif field.is_repeated:
        _change_list(generator, field, getattr(message, field.name))
    elif field.message_type:
        inner = getattr(message, field.name)
        inner.SetInParent()
        change(generator, inner)
    else:
        setattr(message, field.name, _value(generator, field))


def _change_map(generator, field, values):
    key_field, value_field = field.message_type.fields
    is_new = not values or generator.random() < 0.2
    key = _value(generator, key_field) if is_new else generator.choice(list(values))
    if value_field.message_type:
        change(generator, values[key])
    else:
        values[key] = _value(generator, value_field)


def _change_list(generator, field, values):
    if values and generator.random() < 0.2:
        del values[generator.randrange(len(values))]
    elif field.message_type:
        change(generator, generator.choice(values) if values else values.add())
    elif values and generator.random() < 0.5:
        values[generator.randrange(len(values))] = _value(generator, field)
    else:
        values.extend([_value(generator, field)] * generator.choice((1, 2, 9, 300)))


def _value(generator, field):
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return generator.choice(_BYTES if field.type == FieldDescriptor.TYPE_BYTES else _TEXTS)
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return generator.choice(_FLOATS)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return generator.random() < 0.5
    if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64):
        number = generator.choice(_INTEGERS + _LARGE)
    else:
        number = generator.choice(_INTEGERS)
    is_unsigned = kind in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
    return abs(number) if is_unsigned else number

"""TF Serving's messages, without importing TensorFlow.

    from digitline.serving.protocol import messages
    messages.PredictRequest()

The generated modules of `tensorflow` and `tensorflow-serving-api` hold the compiled messages,
but importing one imports all of TensorFlow first: seconds, and hundreds of megabytes. Here
the same files run with an import of their own, which opens only other generated modules and
leaves `sys.modules` as it is. The classes are those that TensorFlow and TF Serving's stubs
use, whichever comes first: protobuf's default pool takes a file of messages a second time as
the one that it knows, and keeps one class for each message.
"""

import builtins
import functools
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

# The messages by the generated module that holds them.
_MODULES = {
    "tensorflow.core.example.example_pb2": ("Example",),
    "tensorflow.core.example.feature_pb2": ("Feature",),
    "tensorflow.core.framework.tensor_pb2": ("TensorProto",),
    "tensorflow.core.protobuf.config_pb2": ("CallableOptions",),
    "tensorflow.core.protobuf.meta_graph_pb2": ("SignatureDef", "TensorInfo"),
    "tensorflow_serving.apis.classification_pb2": (
        "ClassificationRequest", "ClassificationResponse", "ClassificationResult",
    ),
    "tensorflow_serving.apis.get_model_metadata_pb2": (
        "GetModelMetadataRequest", "GetModelMetadataResponse", "SignatureDefMap",
    ),
    "tensorflow_serving.apis.get_model_status_pb2": (
        "GetModelStatusRequest", "GetModelStatusResponse",
    ),
    "tensorflow_serving.apis.inference_pb2": ("MultiInferenceRequest", "MultiInferenceResponse"),
    "tensorflow_serving.apis.input_pb2": ("Input",),
    "tensorflow_serving.apis.model_management_pb2": (
        "ReloadConfigRequest", "ReloadConfigResponse",
    ),
    "tensorflow_serving.apis.model_pb2": ("ModelSpec",),
    "tensorflow_serving.apis.predict_pb2": ("PredictRequest", "PredictResponse"),
    "tensorflow_serving.apis.prediction_log_pb2": ("PredictionLog",),
    "tensorflow_serving.apis.regression_pb2": (
        "RegressionRequest", "RegressionResponse", "RegressionResult",
    ),
    "tensorflow_serving.config.model_server_config_pb2": ("ModelConfig", "ModelServerConfig"),
}  # fmt: skip
_MODULE_OF = {message: module for module, messages in _MODULES.items() for message in messages}

# Messages that no package has: name, number and type of each field. Of configuration files, of
# https://github.com/tensorflow/serving (config/ssl_config.proto, config/monitoring_config.proto,
# servables/tensorflow/session_bundle_config.proto); of the profiler, see rpc/profiler.py.
_INT64, _BOOL, _STRING = (f".google.protobuf.{name}Value" for name in ("Int64", "Bool", "String"))
_OTHER_MESSAGES = {
    "BatchingParameters": (
        ("max_batch_size", 1, _INT64),
        ("batch_timeout_micros", 2, _INT64),
        ("max_enqueued_batches", 3, _INT64),
        ("num_batch_threads", 4, _INT64),
        ("thread_pool_name", 5, _STRING),
        ("allowed_batch_sizes", 6, "repeated int64"),
        ("pad_variable_length_inputs", 7, "bool"),
        ("enable_large_batch_splitting", 8, _BOOL),
        ("max_execution_batch_size", 9, _INT64),
    ),
    "SSLConfig": (
        ("server_key", 1, "string"),
        ("server_cert", 2, "string"),
        ("custom_ca", 3, "string"),
        ("client_verify", 4, "bool"),
    ),
    "PrometheusConfig": (("enable", 1, "bool"), ("path", 2, "string")),
    "MonitoringConfig": (("prometheus_config", 1, ".tensorflow.serving.PrometheusConfig"),),
    "ProfileRequest": (("duration_ms", 1, "uint64"),),
    "ProfileToolData": (("name", 1, "string"), ("data", 2, "bytes")),
    "ProfileResponse": (
        ("tool_data", 6, "repeated .tensorflow.serving.ProfileToolData"),
        ("empty_trace", 7, "bool"),
    ),
}


def __getattr__(name: str) -> Any:
    """A message's class, made at its first use."""
    if name in _MODULE_OF:
        message = getattr(_generated(_MODULE_OF[name]), name)
    elif name in _OTHER_MESSAGES:
        full_name = f"tensorflow.serving.{name}"
        message = message_factory.GetMessageClass(_other_pool().FindMessageTypeByName(full_name))
    else:
        raise AttributeError(f"module {__name__} has no message {name}")
    globals()[name] = message
    return message


@functools.cache
def _generated(name: str) -> ModuleType:
    """A generated module of TensorFlow or TF Serving; `name` as in an import."""
    package, _, rest = name.partition(".")
    spec = importlib.util.find_spec(package)  # Imports nothing.
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No package {package}: TF Serving's messages are in it")
    path = Path(spec.submodule_search_locations[0], *rest.split(".")).with_suffix(".py")
    module = ModuleType(name)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
    code = SourceFileLoader(name, str(path)).get_code(name)
    assert isinstance(code, CodeType)
    exec(code, module.__dict__)  # noqa: S102 (as an import of it would)
    return module


def _import(
    name: str,
    globals_: Mapping[str, object] | None = None,
    locals_: Mapping[str, object] | None = None,
    from_list: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    """Stands for `import` in a generated module."""
    if name.partition(".")[0] not in ("tensorflow", "tensorflow_serving"):
        return importlib.__import__(name, globals_, locals_, from_list, level)
    if name.endswith("_pb2"):  # from tensorflow.….NAME_pb2 import *
        return _generated(name)
    package = ModuleType(name)
    for part in from_list:
        setattr(package, part, _generated(f"{name}.{part}"))
    return package


@functools.cache
def _other_pool() -> descriptor_pool.DescriptorPool:
    """`_OTHER_MESSAGES`, in a pool of their own."""
    field_type = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="digitline/other.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message_name, fields in _OTHER_MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind in fields:
            is_repeated, scalar = kind.startswith("repeated "), kind.removeprefix("repeated ")
            label = field_type.LABEL_REPEATED if is_repeated else field_type.LABEL_OPTIONAL
            field = message.field.add(name=name, number=number, label=label)
            if scalar.startswith("."):
                field.type, field.type_name = field_type.TYPE_MESSAGE, scalar
            else:
                field.type = field_type.Type.Value(f"TYPE_{scalar.upper()}")
    pool = descriptor_pool.DescriptorPool()
    for serialized in (wrappers_pb2.DESCRIPTOR.serialized_pb, file.SerializeToString()):
        pool.AddSerializedFile(serialized)
    return pool

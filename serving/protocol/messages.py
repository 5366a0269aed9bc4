"""TF Serving's messages, without TensorFlow.

The generated modules of `tensorflow-serving-api` import TensorFlow, which takes
seconds and hundreds of megabytes; a client needs neither. So the messages that it
needs are made here from a table. They live in a descriptor pool of their own, so that
TensorFlow's can live in the same process.

Names, numbers and types are those of the .proto files of
https://github.com/tensorflow/tensorflow (`tensorflow/core/framework`, `core/example`,
`core/protobuf/meta_graph.proto`) and https://github.com/tensorflow/serving
(`tensorflow_serving/apis`; `config/ssl_config.proto`, `config/monitoring_config.proto`,
and `BatchingParameters` of `servables/tensorflow/session_bundle_config.proto`, which
`tensorflow-serving-api` has not). Fields that are left out here are kept when a message
is read and written again.
"""

from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    wrappers_pb2,
)

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}
_INT64, _BOOL, _STRING = (f".google.protobuf.{name}Value" for name in ("Int64", "Bool", "String"))

_DATA_TYPES = (
    "INVALID FLOAT DOUBLE INT32 UINT8 INT16 INT8 STRING COMPLEX64 INT64 BOOL QINT8 QUINT8 QINT32 "
    "BFLOAT16 QINT16 QUINT16 UINT16 COMPLEX128 HALF RESOURCE VARIANT UINT32 UINT64 FLOAT8_E5M2 "
    "FLOAT8_E4M3FN FLOAT8_E4M3FNUZ FLOAT8_E4M3B11FNUZ FLOAT8_E5M2FNUZ INT4 UINT4 INT2 UINT2"
)
_CODES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS "
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED "
    "INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
)
# Enumerations: names and numbers.
_ENUMS = {
    "tensorflow.DataType": {f"DT_{name}": i for i, name in enumerate(_DATA_TYPES.split())},
    "tensorflow.error.Code": {name: i for i, name in enumerate(_CODES.split())},
    "tensorflow.serving.ModelVersionStatus.State": {
        "UNKNOWN": 0,
        "START": 10,
        "LOADING": 20,
        "AVAILABLE": 30,
        "UNLOADING": 40,
        "END": 50,
    },
}

# Messages: name, number and type of each field. A type with a dot is a message or, where it
# stands in _ENUMS, an enumeration; `*` begins that of a repeated field, `map ` that of a map
# from strings, and `|name ` that of a member of a oneof.
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    "tensorflow.TensorShapeProto.Dim": (("size", 1, "int64"), ("name", 2, "string")),
    "tensorflow.TensorShapeProto": (
        ("dim", 2, "*.tensorflow.TensorShapeProto.Dim"),
        ("unknown_rank", 3, "bool"),
    ),
    "tensorflow.TensorProto": (
        ("dtype", 1, ".tensorflow.DataType"),
        ("tensor_shape", 2, ".tensorflow.TensorShapeProto"),
        ("version_number", 3, "int32"),
        ("tensor_content", 4, "bytes"),
        ("float_val", 5, "*float"),
        ("double_val", 6, "*double"),
        ("int_val", 7, "*int32"),
        ("string_val", 8, "*bytes"),
        ("scomplex_val", 9, "*float"),
        ("int64_val", 10, "*int64"),
        ("bool_val", 11, "*bool"),
        ("dcomplex_val", 12, "*double"),
        ("half_val", 13, "*int32"),
        ("uint32_val", 16, "*uint32"),
        ("uint64_val", 17, "*uint64"),
        ("float8_val", 18, "bytes"),
    ),
    "tensorflow.BytesList": (("value", 1, "*bytes"),),
    "tensorflow.FloatList": (("value", 1, "*float"),),
    "tensorflow.Int64List": (("value", 1, "*int64"),),
    "tensorflow.Feature": (
        ("bytes_list", 1, "|kind .tensorflow.BytesList"),
        ("float_list", 2, "|kind .tensorflow.FloatList"),
        ("int64_list", 3, "|kind .tensorflow.Int64List"),
    ),
    "tensorflow.Features": (("feature", 1, "map .tensorflow.Feature"),),
    "tensorflow.Example": (("features", 1, ".tensorflow.Features"),),
    "tensorflow.TensorInfo.CooSparse": (
        ("values_tensor_name", 1, "string"),
        ("indices_tensor_name", 2, "string"),
        ("dense_shape_tensor_name", 3, "string"),
    ),
    "tensorflow.TensorInfo": (
        ("name", 1, "|encoding string"),
        ("dtype", 2, ".tensorflow.DataType"),
        ("tensor_shape", 3, ".tensorflow.TensorShapeProto"),
        ("coo_sparse", 4, "|encoding .tensorflow.TensorInfo.CooSparse"),
    ),
    "tensorflow.SignatureDef": (
        ("inputs", 1, "map .tensorflow.TensorInfo"),
        ("outputs", 2, "map .tensorflow.TensorInfo"),
        ("method_name", 3, "string"),
        ("defaults", 4, "map .tensorflow.TensorProto"),
    ),
    "tensorflow.serving.ModelSpec": (
        ("name", 1, "string"),
        ("version", 2, f"|version_choice {_INT64}"),
        ("signature_name", 3, "string"),
        ("version_label", 4, "|version_choice string"),
    ),
    "tensorflow.serving.PredictRequest": (
        ("model_spec", 1, ".tensorflow.serving.ModelSpec"),
        ("inputs", 2, "map .tensorflow.TensorProto"),
        ("output_filter", 3, "*string"),
    ),
    "tensorflow.serving.PredictResponse": (
        ("outputs", 1, "map .tensorflow.TensorProto"),
        ("model_spec", 2, ".tensorflow.serving.ModelSpec"),
    ),
    "tensorflow.serving.ExampleList": (("examples", 1, "*.tensorflow.Example"),),
    "tensorflow.serving.ExampleListWithContext": (
        ("examples", 1, "*.tensorflow.Example"),
        ("context", 2, ".tensorflow.Example"),
    ),
    "tensorflow.serving.Input": (
        ("example_list", 1, "|kind .tensorflow.serving.ExampleList"),
        ("example_list_with_context", 2, "|kind .tensorflow.serving.ExampleListWithContext"),
    ),
    "tensorflow.serving.ClassificationRequest": (
        ("model_spec", 1, ".tensorflow.serving.ModelSpec"),
        ("input", 2, ".tensorflow.serving.Input"),
    ),
    "tensorflow.serving.Class": (("label", 1, "string"), ("score", 2, "float")),
    "tensorflow.serving.Classifications": (("classes", 1, "*.tensorflow.serving.Class"),),
    "tensorflow.serving.ClassificationResult": (
        ("classifications", 1, "*.tensorflow.serving.Classifications"),
    ),
    "tensorflow.serving.ClassificationResponse": (
        ("result", 1, ".tensorflow.serving.ClassificationResult"),
        ("model_spec", 2, ".tensorflow.serving.ModelSpec"),
    ),
    "tensorflow.serving.GetModelStatusRequest": (
        ("model_spec", 1, ".tensorflow.serving.ModelSpec"),
    ),
    "tensorflow.serving.StatusProto": (
        ("error_code", 1, ".tensorflow.error.Code"),
        ("error_message", 2, "string"),
    ),
    "tensorflow.serving.ModelVersionStatus": (
        ("version", 1, "int64"),
        ("state", 2, ".tensorflow.serving.ModelVersionStatus.State"),
        ("status", 3, ".tensorflow.serving.StatusProto"),
    ),
    "tensorflow.serving.GetModelStatusResponse": (
        ("model_version_status", 1, "*.tensorflow.serving.ModelVersionStatus"),
    ),
    "tensorflow.serving.GetModelMetadataRequest": (
        ("model_spec", 1, ".tensorflow.serving.ModelSpec"),
        ("metadata_field", 2, "*string"),
    ),
    "tensorflow.serving.GetModelMetadataResponse": (
        ("model_spec", 1, ".tensorflow.serving.ModelSpec"),
        ("metadata", 2, "map .google.protobuf.Any"),
    ),
    "tensorflow.serving.SignatureDefMap": (("signature_def", 1, "map .tensorflow.SignatureDef"),),
    "tensorflow.serving.BatchingParameters": (
        ("max_batch_size", 1, _INT64),
        ("batch_timeout_micros", 2, _INT64),
        ("max_enqueued_batches", 3, _INT64),
        ("num_batch_threads", 4, _INT64),
        ("thread_pool_name", 5, _STRING),
        ("allowed_batch_sizes", 6, "*int64"),
        ("pad_variable_length_inputs", 7, "bool"),
        ("enable_large_batch_splitting", 8, _BOOL),
        ("max_execution_batch_size", 9, _INT64),
    ),
    "tensorflow.serving.SSLConfig": (
        ("server_key", 1, "string"),
        ("server_cert", 2, "string"),
        ("custom_ca", 3, "string"),
        ("client_verify", 4, "bool"),
    ),
    "tensorflow.serving.PrometheusConfig": (("enable", 1, "bool"), ("path", 2, "string")),
    "tensorflow.serving.MonitoringConfig": (
        ("prometheus_config", 1, ".tensorflow.serving.PrometheusConfig"),
    ),
}
# Each is one file of descriptors, after those that it needs.
_PACKAGES = ("tensorflow", "tensorflow.error", "tensorflow.serving")


def _build() -> dict[str, Any]:
    """The message classes by their full names."""
    pool: Any = descriptor_pool.DescriptorPool()
    needed: list[str] = []
    for file in (wrappers_pb2, any_pb2):
        pool.AddSerializedFile(file.DESCRIPTOR.serialized_pb)
        needed.append(file.DESCRIPTOR.name)
    for package in _PACKAGES:
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3", dependency=needed
        )
        found: dict[str, Any] = {package: file}  # What a message may be nested in.
        # Parents come before what is nested in them.
        for name in sorted(each for each in (*_MESSAGES, *_ENUMS) if _package(each) == package):
            parent, _, short = name.rpartition(".")
            if name in _ENUMS:
                _fill_enum(found[parent].enum_type.add(name=short), _ENUMS[name])
            else:
                outer = found[parent]
                added = outer.message_type if outer is file else outer.nested_type
                found[name] = added.add(name=short)
                _fill_message(found[name], name)
        pool.AddSerializedFile(file.SerializeToString())
        needed.append(file.name)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for name in _MESSAGES
    }


def _package(name: str) -> str:
    """Of a message or an enumeration: packages are written small."""
    return ".".join(part for part in name.split(".") if part.islower())


def _fill_enum(enum: Any, values: dict[str, int]) -> None:
    for name, number in values.items():
        enum.value.add(name=name, number=number)


def _fill_message(message: Any, full_name: str) -> None:
    for name, number, kind in _MESSAGES[full_name]:
        field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        if kind.startswith("|"):
            oneof, kind = kind[1:].split()
            names = [each.name for each in message.oneof_decl]
            if oneof not in names:
                message.oneof_decl.add(name=oneof)
                names.append(oneof)
            field.oneof_index = names.index(oneof)
        elif kind.startswith("*"):
            kind, field.label = kind[1:], _Field.LABEL_REPEATED
        elif kind.startswith("map "):
            # On the wire a map is a repeated message of a key and a value.
            entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
            entry = message.nested_type.add(name=entry_name)
            entry.options.map_entry = True
            optional = _Field.LABEL_OPTIONAL
            _set_type(entry.field.add(name="key", number=1, label=optional), "string")
            _set_type(entry.field.add(name="value", number=2, label=optional), kind[4:])
            kind, field.label = f".{full_name}.{entry_name}", _Field.LABEL_REPEATED
        _set_type(field, kind)


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        is_enum = kind[1:] in _ENUMS
        field.type = _Field.TYPE_ENUM if is_enum else _Field.TYPE_MESSAGE
        field.type_name = kind


CLASSES = _build()
"""The message classes by their full names, `tensorflow.serving.PredictRequest` for example."""

TensorProto = CLASSES["tensorflow.TensorProto"]
Example = CLASSES["tensorflow.Example"]
SignatureDefMap = CLASSES["tensorflow.serving.SignatureDefMap"]
ModelSpec = CLASSES["tensorflow.serving.ModelSpec"]
PredictRequest = CLASSES["tensorflow.serving.PredictRequest"]
PredictResponse = CLASSES["tensorflow.serving.PredictResponse"]
ClassificationRequest = CLASSES["tensorflow.serving.ClassificationRequest"]
ClassificationResponse = CLASSES["tensorflow.serving.ClassificationResponse"]
GetModelStatusRequest = CLASSES["tensorflow.serving.GetModelStatusRequest"]
GetModelStatusResponse = CLASSES["tensorflow.serving.GetModelStatusResponse"]
GetModelMetadataRequest = CLASSES["tensorflow.serving.GetModelMetadataRequest"]
GetModelMetadataResponse = CLASSES["tensorflow.serving.GetModelMetadataResponse"]
BatchingParameters = CLASSES["tensorflow.serving.BatchingParameters"]
SSLConfig = CLASSES["tensorflow.serving.SSLConfig"]
MonitoringConfig = CLASSES["tensorflow.serving.MonitoringConfig"]

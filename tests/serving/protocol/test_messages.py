import numpy as np
import pytest
from google.protobuf import text_format

from digitline.serving.protocol import messages

from support import python

# Of the messages that tensorflow-serving-api does not have.
CONFIGS = ("BatchingParameters", "SSLConfig", "PrometheusConfig", "MonitoringConfig")


def real(name):
    """TensorFlow's or TF Serving's own class."""
    import importlib

    modules = {
        "tensorflow": "tensor tensor_shape types",
        "serving": "classification get_model_metadata get_model_status input model predict status",
    }
    package, _, short = name.rpartition("serving.") if ".serving." in name else ("", "", name)
    if package or short != name:
        paths = [f"tensorflow_serving.apis.{each}_pb2" for each in modules["serving"].split()]
    else:
        short = name.removeprefix("tensorflow.")
        paths = [
            *(f"tensorflow.core.framework.{each}_pb2" for each in modules["tensorflow"].split()),
            "tensorflow.core.example.example_pb2",
            "tensorflow.core.example.feature_pb2",
            "tensorflow.core.protobuf.meta_graph_pb2",
        ]
    for path in paths:
        found = importlib.import_module(path)
        for part in short.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    raise AssertionError(name)


def shared():
    return [name for name in messages.CLASSES if name.rpartition(".")[2] not in CONFIGS]


def kind(field):
    """All of a field that goes over the wire or into text."""
    return (
        field.number,
        field.type,
        field.is_repeated,
        field.has_presence,
        field.message_type and field.message_type.full_name,
        field.message_type and field.message_type.GetOptions().map_entry,
        field.enum_type and field.enum_type.full_name,
        field.containing_oneof and field.containing_oneof.name,
    )


@pytest.mark.parametrize("name", shared())
def test_each_message_is_the_real_one(name):
    ours, theirs = messages.CLASSES[name].DESCRIPTOR, real(name).DESCRIPTOR
    assert ours.full_name == theirs.full_name == name
    for field in ours.fields:
        assert kind(field) == kind(theirs.fields_by_name[field.name]), field.full_name
        if field.enum_type is not None:
            numbers = {value.name: value.number for value in field.enum_type.values}
            their_numbers = {
                value.name: value.number
                for value in theirs.fields_by_name[field.name].enum_type.values
            }
            assert numbers.items() <= their_numbers.items()
    # What is left out is known and stays so.
    left_out = {field.name for field in theirs.fields} - {field.name for field in ours.fields}
    assert left_out == {
        "tensorflow.TensorProto": {"resource_handle_val", "variant_val"},
        "tensorflow.TensorInfo": {"composite_tensor"},
        "tensorflow.serving.PredictRequest": {
            "predict_streamed_options",
            "client_id",
            "request_options",
        },
    }.get(name, set())


def example_text(descriptor, depth=0):
    """A message with all that our table has of it, as text."""
    lines = []
    values = {"bool": "true", "string": "'s'", "bytes": "'\\001'", "float": "0.5", "int": "7"}
    kinds = {8: "bool", 9: "string", 12: "bytes", 1: "float", 2: "float"}
    oneofs = set()
    for field in descriptor.fields:
        oneof = field.containing_oneof and field.containing_oneof.name
        if oneof in oneofs:
            continue
        if oneof:
            oneofs.add(oneof)
        if field.message_type is not None:
            if depth < 6 and field.message_type.full_name != "google.protobuf.Any":
                lines.append(f"{field.name} {{ {example_text(field.message_type, depth + 1)} }}")
        elif field.enum_type is not None:
            lines.append(f"{field.name}: {field.enum_type.values[1].name}")
        else:
            lines.append(f"{field.name}: {values[kinds.get(field.type, 'int')]}")
    return " ".join(lines)


@pytest.mark.parametrize("name", shared())
def test_bytes_go_both_ways(name):
    text = example_text(messages.CLASSES[name].DESCRIPTOR)
    ours = text_format.Parse(text, messages.CLASSES[name]())
    theirs = text_format.Parse(text, real(name)())
    assert real(name).FromString(ours.SerializeToString()) == theirs
    assert messages.CLASSES[name].FromString(theirs.SerializeToString()) == ours


def test_what_is_not_in_the_table_is_kept():
    theirs = real("tensorflow.serving.PredictRequest")(client_id=b"me")
    theirs.model_spec.name = "a"
    ours = messages.PredictRequest.FromString(theirs.SerializeToString())
    ours.model_spec.name = "b"
    back = type(theirs).FromString(ours.SerializeToString())
    assert (back.client_id, back.model_spec.name) == (b"me", "b")


def test_configuration_files():
    # As in TF Serving's guides.
    batching = text_format.Parse(
        """
        max_batch_size { value: 128 }
        batch_timeout_micros { value: 0 }
        max_enqueued_batches { value: 1000000 }
        num_batch_threads { value: 8 }
        thread_pool_name { value: "batches" }
        allowed_batch_sizes: 32 allowed_batch_sizes: 128
        pad_variable_length_inputs: true
        enable_large_batch_splitting { value: true }
        max_execution_batch_size { value: 64 }
        """,
        messages.BatchingParameters(),
    )
    assert batching.max_batch_size.value == 128
    assert batching.HasField("batch_timeout_micros")
    assert list(batching.allowed_batch_sizes) == [32, 128]
    monitoring = text_format.Parse(
        'prometheus_config { enable: true, path: "/monitoring/prometheus/metrics" }',
        messages.MonitoringConfig(),
    )
    assert monitoring.prometheus_config.enable
    ssl = text_format.Parse(
        'server_key: "k" server_cert: "c" custom_ca: "a" client_verify: true', messages.SSLConfig()
    )
    assert (ssl.server_key, ssl.server_cert, ssl.custom_ca) == ("k", "c", "a")
    with pytest.raises(text_format.ParseError, match="max_batch"):
        text_format.Parse("max_batch { value: 1 }", messages.BatchingParameters())


def test_without_tensorflow(tmp_path):
    code = (
        "import sys; from digitline.serving import messages, tensors\n"
        "import numpy as np\n"
        "request = messages.PredictRequest()\n"
        "tensors.encode(np.ones(3, np.float32), request.inputs['x'])\n"
        "assert not {'tensorflow', 'tensorflow_serving', 'keras'} & set(sys.modules)\n"
        "print(request.SerializeToString().hex())\n"
    )
    done = python(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = real("tensorflow.serving.PredictRequest").FromString(bytes.fromhex(done.stdout))
    import tensorflow as tf

    np.testing.assert_array_equal(tf.make_ndarray(theirs.inputs["x"]), np.ones(3))

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from digitline.serving.protocol import messages, tensors

from support import python

BEFORE_TENSORFLOW = """
import sys
import numpy as np
from digitline.serving.client import Client
from digitline.serving.protocol import messages, tensors
request = messages.PredictRequest()
tensors.encode(np.ones(3, np.float32), request.inputs["x"])
log = messages.PredictionLog()
packages = {name.partition(".")[0] for name in sys.modules}
assert not {"tensorflow", "tensorflow_serving", "keras"} & packages

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc
assert predict_pb2.PredictRequest is messages.PredictRequest
assert tensor_pb2.TensorProto is messages.TensorProto
assert prediction_log_pb2.PredictionLog is messages.PredictionLog
np.testing.assert_array_equal(tf.make_ndarray(request.inputs["x"]), np.ones(3))
"""


def test_the_classes_are_those_that_tensorflow_makes_later(tmp_path):
    done = python(BEFORE_TENSORFLOW, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_classes_are_those_that_tensorflow_has_made():
    assert messages.PredictRequest is predict_pb2.PredictRequest
    assert messages.TensorProto is tensor_pb2.TensorProto
    assert messages.PredictionLog is prediction_log_pb2.PredictionLog
    request = messages.PredictRequest()
    tensors.encode(np.ones(3, np.float32), request.inputs["x"])
    np.testing.assert_array_equal(tf.make_ndarray(request.inputs["x"]), np.ones(3))


def test_parses_tf_servings_configuration_files():
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


def test_an_unknown_message_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no message Nonsense"):
        messages.Nonsense  # noqa: B018

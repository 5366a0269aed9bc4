"""TF Serving's first example, at real sockets: shapes are the graph's to judge."""

import json

import grpc
import numpy as np
import pytest
from half_models import save_counter, save_tf1, save_tf2, tflite
from served import serving
from tensorflow_serving.apis import (
    classification_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from digitline.base.tf import tf

TF1, TF2, TFLITE, SIGNED = "half_plus_two_tf1", "half_plus_two_tf2", "tflite", "tflite_signed"
ALL = (TF1, TF2, TFLITE, SIGNED)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    save_tf1(folder / TF1 / "00000123")
    save_tf2(folder / TF2 / "00000123")
    save_counter(folder / "counter" / "00000123")
    save_tf1(folder / "two_versions" / "00000123")
    save_tf1(folder / "two_versions" / "00000124", inc=3.0)
    for name in (TFLITE, SIGNED):
        (folder / name / "00000123").mkdir(parents=True)
        (folder / name / "00000123" / "model.tflite").write_bytes(tflite(name == SIGNED))
    every = "model_version_policy { all {} }"
    listed = "".join(
        f'config {{ name: "{path.name}" base_path: "{path}" model_platform: "tensorflow" {every} }}'
        for path in folder.iterdir()
    )
    (folder / "models.config").write_text(f"model_config_list {{ {listed} }}")
    return folder


@pytest.fixture(scope="module", params=["alone", "batching"])
def server(models, request):
    is_batching = request.param == "batching"
    batching = ["--enable_batching", "--noenable_config_reload"] if is_batching else []
    flag = f"--model_config_file={models}/models.config"
    with (
        serving(flag, "--max_num_load_retries=0", *batching) as running,
        running.channel() as channel,
    ):
        running.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        running.models = model_service_pb2_grpc.ModelServiceStub(channel)
        running.refuses_reload = is_batching
        yield running


def post(server, model, body, method="predict"):
    status, text = server.get(f"/v1/models/{model}:{method}", json.dumps(body).encode())
    return status, json.loads(text)


def predict(server, model, signature="", version=None, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    (output,) = server.stub.Predict(request, timeout=30).outputs.values()
    return tf.make_ndarray(output)


@pytest.mark.parametrize("model", ALL)
def test_the_request_of_tf_servings_first_page(server, model):
    answer = 200, {"predictions": [2.5, 3.0, 4.5]}
    assert post(server, model, {"instances": [1.0, 2.0, 5.0]}) == answer
    assert post(server, model, {"instances": [[1.0], [2.0], [5.0]]}) == (
        200,
        {"predictions": [[2.5], [3.0], [4.5]]},
    )
    for inputs in ([1.0, 2.0, 5.0], {"x": [1.0, 2.0, 5.0]}):
        assert post(server, model, {"inputs": inputs}) == (200, {"outputs": [2.5, 3.0, 4.5]})
    for x in ([2.0], [[2.0]], [1.0, 2.0, 5.0]):
        y = predict(server, model, x=np.float32(x))
        np.testing.assert_array_equal(y, np.float32(x) / 2 + 2)


def test_classify_and_regress(server):
    examples = [{"x": 2.0}, {"x": [5.0]}]
    body = {"signature_name": "classify_x_to_y", "examples": examples}
    assert post(server, TF1, body, "classify") == (200, {"results": [[["", 3.0]], [["", 4.5]]]})
    body = {"signature_name": "regress_x_to_y", "examples": examples}
    assert post(server, TF1, body, "regress") == (200, {"results": [3.0, 4.5]})
    for call, request in (
        (server.stub.Classify, classification_pb2.ClassificationRequest()),
        (server.stub.Regress, regression_pb2.RegressionRequest()),
    ):
        request.model_spec.name = TF1
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2)
        for signature, words in (
            ("gone", "No signature was found with the name: gone"),
            ("", "No (classification|regression) inputs found in SignatureDef: {x}"),
        ):
            request.model_spec.signature_name = signature
            with pytest.raises(grpc.RpcError, match=words) as caught:
                call(request, timeout=30)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_versions_and_a_counter(server):
    assert predict(server, "two_versions", x=np.float32([2])).tolist() == [4.0]
    assert predict(server, "two_versions", version=123, x=np.float32([2])).tolist() == [3.0]
    assert predict(server, "counter", "reset_counter") == 0
    assert predict(server, "counter", "incr_counter") == 1
    assert predict(server, "counter", "incr_counter_by", delta=np.float32(3)) == 4
    assert predict(server, "counter", "get_counter") == 4


def test_inputs_with_a_default_may_be_left_out(server):
    assert predict(server, TF2).tolist() == [2.0]
    assert predict(server, TF2, "scaled", x=np.float32([2])).tolist() == [6.0]
    assert predict(server, TF2, "scaled", x=np.float32([2]), by=np.float32([4])) == [8.0]
    for inputs, words in (
        ({"by": np.float32([1])}, "Missing but required: {x}"),
        ({"x": np.float32([1]), "z": np.float32([1])}, "Sent extra: {z}"),
    ):
        with pytest.raises(grpc.RpcError, match=words):
            predict(server, TF2, "scaled", **inputs)
    body = {"signature_name": "scaled", "inputs": {"x": [2.0]}}  # Only in gRPC, as in TF Serving.
    assert post(server, TF2, body)[1] == {"error": "Missing named input: by in 'inputs' object."}


@pytest.mark.parametrize("x", [np.ones([1, 3]), np.ones(2), np.ones([])])
def test_a_shape_that_the_graph_refuses_is_the_clients_mistake(server, x):
    words = r"Matrix size|must be|at least one dimension|multiply"
    with pytest.raises(grpc.RpcError, match=words) as caught:
        predict(server, TF2, "product", x=np.float32(x))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert predict(server, TF2, "product", x=np.ones([1, 2], np.float32)) == [[2.0]]


def test_a_flag_switches_the_reload_call_off(server):
    with pytest.raises(grpc.RpcError, match="StatusCode") as caught:
        server.models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest())
    code, details = caught.value.code().name, caught.value.details()
    if server.refuses_reload:
        assert (code, "switched off" in details) == ("PERMISSION_DENIED", True)
    else:
        assert (code, "Only ModelConfigList" in details) == ("INVALID_ARGUMENT", True)

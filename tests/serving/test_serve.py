"""The server as its users meet it: a process, real sockets, TF Serving's own stubs."""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess

import grpc
import numpy as np
import PIL.Image
import pytest
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from served import free_port, serving, serving_process, wait
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.serving import artifacts, client, predict, serve

from support import call, python

AVAILABLE = 30


class Several(tf.Module):
    """All kinds of signatures."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, "x"),
            tf.TensorSpec([None], tf.string, "name"),
        ]
    )
    def predict(self, x, name):
        return {"twice": 2 * x, "named": tf.strings.join([name, "!"]), "sum": tf.reduce_sum(x, 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(self, inputs):
        score = self._feature(inputs)
        labels = tf.tile([["low", "high"]], [tf.shape(score)[0], 1])
        return {"classes": labels, "scores": tf.stack([1 - score, score], 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def regress(self, inputs):
        return {"outputs": 10 * self._feature(inputs)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "rounds")])
    def slow(self, rounds):
        x = tf.ones([300, 300])
        for _ in tf.range(rounds):
            x = tf.math.l2_normalize(x @ x)
        return {"x": tf.reduce_sum(x)}

    def _feature(self, inputs):
        spec = {"score": tf.io.FixedLenFeature([], tf.float32)}
        return tf.io.parse_example(inputs, spec)["score"]


class Constant(tf.Module):
    def __init__(self, number):
        super().__init__()
        self.number = tf.Variable(float(number))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def call(self, x):
        return {"y": 0 * x + self.number}


def save(module, folder):
    """With method names as TF Serving's: Keras and `tf.saved_model` know only Predict."""
    calls = {"serving_default": module.call} if isinstance(module, Constant) else {
        "serving_default": module.predict, "classify": module.classify,
        "regress": module.regress, "slow": module.slow,
    }  # fmt: skip
    tf.saved_model.save(module, str(folder), calls)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save(Several(), folder / "several/1")
    for number in (1, 2):
        save(Constant(number), folder / f"constants/{number}")
    return folder


def config(*entries):
    """A ModelServerConfig from (name, folder, the rest as text)."""
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{folder}" model_platform: "tensorflow" {more} }}\n'
        for name, folder, more in entries
    )
    return f"model_config_list {{ {listed} }}"


BOTH = 'model_version_policy { all {} } version_labels { key: "stable" value: 1 }'


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    """Two models, one of two versions with a label; batching, figures, health, a Unix socket."""
    folder = tmp_path_factory.mktemp("server")
    models_file = folder / "models.config"
    models_file.write_text(
        config(("several", models / "several", ""), ("constants", models / "constants", BOTH))
    )
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    with serving(
        f"--model_config_file={models_file}",
        "--allow_version_labels_for_unavailable_models",
        "--enable_batching",
        f"--monitoring_config_file={folder}/monitoring.config",
        "--enable_grpc_healthcheck_service",
        f"--grpc_socket_path={folder}/socket",
        f"--access_log={folder}/access.jsonl",
    ) as found:
        found.folder = folder
        wait(lambda: found.get("/v1/models/constants")[1].count("AVAILABLE") == 2)
        yield found


@pytest.fixture(scope="module")
def prediction(server):
    with server.channel() as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model_service(server):
    with server.channel() as channel:
        yield model_service_pb2_grpc.ModelServiceStub(channel)


def predict_request(model="several", signature="", version=None, label=None, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def fill_examples(given, *scores):
    for score in scores:
        given.example_list.examples.add().features.feature["score"].float_list.value.append(score)


def refused(call, request):
    with pytest.raises(grpc.RpcError, match="status = ") as caught:
        call(request, timeout=30)
    return caught.value.code().name, caught.value.details()


GOOD = {"x": np.float32([[1, 2], [3, 4]]), "name": ["a", "b"]}


def test_predict(prediction):
    answer = prediction.Predict(predict_request(**GOOD), timeout=30)
    assert list(answer.outputs["twice"].float_val) == [2, 4, 6, 8]  # In the typed field.
    assert [dim.size for dim in answer.outputs["twice"].tensor_shape.dim] == [2, 2]
    assert list(answer.outputs["named"].string_val) == [b"a!", b"b!"]
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (
        *("several", 1), "serving_default"
    )  # fmt: skip
    request = predict_request(**GOOD)
    request.output_filter.append("sum")
    answer = prediction.Predict(request, timeout=30)
    assert {name: list(tensor.float_val) for name, tensor in answer.outputs.items()} == {
        "sum": [3, 7]
    }


def test_versions_and_labels(prediction):
    def answer(**which):
        found = prediction.Predict(
            predict_request("constants", x=np.float32([0]), **which), timeout=30
        )
        return found.model_spec.version.value, found.outputs["y"].float_val[0]

    assert answer() == (2, 2)
    assert answer(version=1) == (1, 1)
    assert answer(label="stable") == (1, 1)


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (predict_request("none"), "NOT_FOUND", "Servable not found for request: Latest(none)"),
        (
            predict_request(version=7, **GOOD),
            "NOT_FOUND",
            "Servable not found for request: Specific(several, 7)",
        ),
        (
            predict_request(label="beta", **GOOD),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: beta",
        ),
        (
            predict_request(signature="other", **GOOD),
            "FAILED_PRECONDITION",
            'Serving signature key "other" not found.',
        ),
        (
            predict_request(x=GOOD["x"]),
            "INVALID_ARGUMENT",
            "input size does not match signature: 1!=2 len({x}) != len({name,x}). Sent extra: {}. "
            "Missing but required: {name}.",
        ),
        (
            predict_request(x=[[1, 2]], name=["a"]),
            "INVALID_ARGUMENT",
            "Expects input 'x' to be float32 but int32 is provided",
        ),
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    ],
)
def test_predict_rejects(prediction, request_, code, words):
    assert refused(prediction.Predict, request_) == (code, words)


def test_rejects_bytes_that_are_not_a_tensor(prediction):
    request = predict_request(**GOOD)
    request.inputs["x"].tensor_content = b"12345"
    code, words = refused(prediction.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert words.startswith("tensor parsing error: x: Input size was 5")


def test_classify_regress_and_both_at_once(prediction):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "several", "classify"
    fill_examples(request.input, 0.25, 0.75)
    rows = prediction.Classify(request, timeout=30).result.classifications
    assert [[(entry.label, entry.score) for entry in row.classes] for row in rows] == [
        [("low", 0.75), ("high", 0.25)],
        [("low", 0.25), ("high", 0.75)],
    ]
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "several", "regress"
    fill_examples(request.input, 0.25)
    assert [each.value for each in prediction.Regress(request, timeout=30).result.regressions] == [
        2.5
    ]
    request = inference_pb2.MultiInferenceRequest()
    for method in ("classify", "regress"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "several", method
    fill_examples(request.input, 0.5)
    classes, numbers = prediction.MultiInference(request, timeout=30).results
    assert classes.classification_result.classifications[0].classes[1].score == 0.5
    assert numbers.regression_result.regressions[0].value == 5
    assert numbers.model_spec.signature_name == "regress"


def test_the_context_of_examples_is_in_each(prediction):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "several", "classify"
    given = request.input.example_list_with_context
    given.context.features.feature["score"].float_list.value.append(0.25)
    given.examples.add()
    given.examples.add().features.feature["score"].float_list.value.append(1.0)
    rows = prediction.Classify(request, timeout=30).result.classifications
    assert [row.classes[1].score for row in rows] == [0.25, 1.0]


def test_an_example_without_the_feature_is_named(prediction):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "several", "classify"
    request.input.example_list.examples.add()
    code, words = refused(prediction.Classify, request)
    assert code == "INVALID_ARGUMENT"
    assert "score" in words
    assert "could not be found" in words
    request.input.Clear()
    assert refused(prediction.Classify, request) == ("INVALID_ARGUMENT", "Input is empty.")
    request.model_spec.signature_name = "slow"
    fill_examples(request.input, 1)
    assert refused(prediction.Classify, request)[0] == "INVALID_ARGUMENT"


def test_metadata_and_status(prediction, model_service):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "several"
    request.metadata_field.append("signature_def")
    answer = prediction.GetModelMetadata(request, timeout=30)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    assert {"serving_default", "classify", "regress", "slow"} <= set(found.signature_def)
    request.metadata_field[:] = ["other"]
    assert refused(prediction.GetModelMetadata, request) == (
        *("INVALID_ARGUMENT", "Metadata field other is not supported"),
    )
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "constants"
    states = model_service.GetModelStatus(request, timeout=30).model_version_status
    assert {status.version: status.state for status in states} == {2: AVAILABLE, 1: AVAILABLE}


def _raw(channel, path, *messages):
    """How a call of a path with these bytes ends."""
    if path.startswith("/grpc.reflection"):
        answers = channel.stream_stream(path)(iter(messages), timeout=30)
    elif path.endswith("Watch"):
        answers = channel.unary_stream(path)(*messages, timeout=30)
    else:
        answers = iter([channel.unary_unary(path)(*messages, timeout=30)])
    return list(answers)


@pytest.mark.parametrize(
    "path",
    [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/tensorflow.serving.PredictionService/Classify",
    ],
)
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
def test_messages_that_do_not_parse_are_the_clients_mistake(server, path, data):
    with server.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        _raw(channel, path, data)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()


@pytest.mark.parametrize("field", ["x" * 100_000, "é" * 50_000, "%" * 5_000, "\x1b\n" * 5_000])
def test_long_words_in_a_request_fit_in_its_error(prediction, field):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=[field])
    request.model_spec.name = "several"
    code, words = refused(prediction.GetModelMetadata, request)
    assert code == "INVALID_ARGUMENT"
    assert words.startswith(f"Metadata field {field[:100]}")
    assert len(words) < 3000


@pytest.mark.parametrize("name", ["classify", "regress"])
def test_examples_that_are_not_utf8(server, prediction, name):
    """Also where TensorFlow's own words repeat them."""
    request = predict_request(signature=name, inputs=[b"\xff\xfe"])
    assert refused(prediction.Predict, request)[0] == "INVALID_ARGUMENT"
    path = f"/v1/models/several:{name}"
    for body in (b'{"examples": [{"score\xff": 1.0}]}', b'{"examples": [{"score": "\xff"}]}'):
        status, text = server.get(path, body)
        assert status == 400, text
    body = {"signature_name": name, "instances": [{"b64": "//4="}]}
    status, text = server.get("/v1/models/several:predict", json.dumps(body).encode())
    assert (status, "{{" in text) == (400, False), text


def test_health_reflection_and_the_unix_socket(server):
    with grpc.insecure_channel(f"unix:{server.folder}/socket") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "tensorflow.serving.PredictionService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert "tensorflow.serving.PredictionService" in services
    assert "tensorflow.serving.ModelService" in services


def test_rest_probes_and_metrics(server, prediction):
    body = {"inputs": {"x": [[1, 2]], "name": ["a"]}}
    status, text = server.get("/v1/models/several:predict", json.dumps(body).encode())
    assert (status, json.loads(text)["outputs"]["named"]) == (200, ["a!"])
    assert server.get("/healthz") == (200, '{"status": "alive"}')
    assert server.get("/readyz") == (200, '{"status": "ready"}')
    prediction.Predict(predict_request(**GOOD), timeout=30)
    status, text = server.get("/monitoring/prometheus/metrics")
    assert status == 200
    lines = text.splitlines()
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    counts = [
        float(line.split()[-1])
        for line in lines
        if line.startswith(':tensorflow:serving:request_count{model_name="several",status="OK"}')
    ]
    assert len(counts) == 1
    assert counts[0] >= 2
    for name in ("request_latency", "runtime_latency", "batching_session:queuing_latency"):
        assert any(line.startswith(f":tensorflow:serving:{name}_bucket") for line in lines), name
    state = ':tensorflow:serving:model_version_state{model_name="constants",version="2"} 30.0'
    assert state in lines


def test_the_start_lines_and_the_access_log(server, prediction):
    said = server.said()
    assert f"REST at http://127.0.0.1:{server.rest}" in said
    assert "model constants: version " in said
    prediction.Predict(predict_request(**GOOD), timeout=30)
    server.get("/v1/models/none")
    lines = [json.loads(line) for line in (server.folder / "access.jsonl").read_text().splitlines()]
    assert any(line["method"] == "predict" and line["code"] == "OK" for line in lines)
    assert any(line.get("path") == "/v1/models/none" and line["status"] == 404 for line in lines)


@pytest.mark.parametrize("count", [500, pytest.param(2000, marks=pytest.mark.long)])
def test_malformed_messages_by_the_thousand(server, prediction, count):
    whole = predict_request(**GOOD).SerializeToString()
    chance = random.Random(1)
    with server.channel() as channel:
        methods = [
            channel.unary_unary(f"/tensorflow.serving.{name}")
            for name in (
                "PredictionService/Predict", "PredictionService/Classify",
                "PredictionService/Regress", "PredictionService/MultiInference",
                "PredictionService/GetModelMetadata", "ModelService/GetModelStatus",
                "ModelService/HandleReloadConfigRequest",
            )
        ]  # fmt: skip
        codes = set()
        for number in range(count):
            data = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                methods[number % len(methods)](bytes(data), timeout=30)
            except grpc.RpcError as error:
                codes.add(error.code().name)
    assert "INVALID_ARGUMENT" in codes
    assert not codes & {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert prediction.Predict(predict_request(**GOOD), timeout=30).outputs["sum"].float_val[0] == 3


def of_many_dimensions():
    request = predict_request(**GOOD)
    for _ in range(50_000):
        request.inputs["x"].tensor_shape.dim.add(size=2**62)
    return "Predict", request, "tensor parsing error: x: Invalid TensorProto: it has 50002 dim"


def of_a_gigabyte():
    request = predict_request(**GOOD)
    tensor = request.inputs["x"]
    tensor.Clear()
    tensor.dtype = 1
    tensor.tensor_shape.dim.add(size=2**28)
    tensor.float_val.append(1)
    return "Predict", request, "takes more than 1342177"


def of_a_large_context():
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "several", "classify"
    given = request.input.example_list_with_context
    given.context.features.feature["a"].bytes_list.value.append(b"0" * 2**20)
    for _ in range(200):
        given.examples.add()
    return "Classify", request, "The context in each of 200 examples makes more than"


def of_many_tasks():
    request = inference_pb2.MultiInferenceRequest()
    for _ in range(50_000):
        request.tasks.add().model_spec.name = "several"
    fill_examples(request.input, 1)
    return "MultiInference", request, "Duplicate evaluation of signature: serving_default"


@pytest.mark.parametrize(
    "make", [of_many_dimensions, of_a_gigabyte, of_a_large_context, of_many_tasks]
)
def test_small_messages_that_state_large_things(server, prediction, make):
    method, request, words = make()
    code, found = refused(getattr(prediction, method), request)
    assert code == "INVALID_ARGUMENT"
    assert words in found
    assert len(found) < 3000


def test_reload_needs_a_list_of_models(model_service):
    code, words = refused(
        model_service.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()
    )
    assert (code, words.partition(".")[0]) == (
        *("INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest"),
    )


def test_reload_while_requests_run(models, tmp_path):
    """Versions come and go, one of them broken, and the config changes: no request fails."""
    base = tmp_path / "base"
    shutil.copytree(models / "constants/1", base / "1")
    models_file = tmp_path / "models.config"
    models_file.write_text(config(("c", base, "")))
    with (
        serving(
            f"--model_config_file={models_file}",
            "--model_config_file_poll_wait_seconds=0.2",
            "--file_system_poll_wait_seconds=0.1",
            "--max_num_load_retries=1",
            "--load_retry_interval_micros=100000",
        ) as server,
        server.channel() as channel,
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_request("c", x=np.float32([0]))
        seen, going = set(), True

        def ask():
            count = 0
            while going:
                answer = prediction.Predict(request, timeout=30)
                seen.add((answer.model_spec.version.value, answer.outputs["y"].float_val[0]))
                count += 1
            return count

        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for version in (2, 3):
                shutil.copytree(models / "constants/2", tmp_path / "new")
                os.rename(tmp_path / "new", base / str(version))
                wait(lambda version=version: (version, 2.0) in seen)
            (base / "5").mkdir()
            (base / "5/saved_model.pb").write_bytes(b"broken")
            wait(lambda: '"END"' in server.get("/v1/models/c/versions/5")[1])
            shutil.rmtree(base / "5")
            models_file.write_text("no config at all {")
            wait(lambda: "Error parsing text-format" in server.said())
            models_file.write_text(config(("c", "~nobody-of-this-name/models", "")))
            wait(lambda: "base path ~nobody-of-this-name/models" in server.said())
            models_file.unlink()
            wait(lambda: "does not exist" in server.said())
            specific = "model_version_policy { specific { versions: 1 } }"
            models_file.write_text(config(("c", base, specific)))
            wait(lambda: server.get("/v1/models/c/versions/1")[1].count("AVAILABLE"))
            model_service = model_service_pb2_grpc.ModelServiceStub(channel)
            reload = model_management_pb2.ReloadConfigRequest()
            both = config(("c", base, specific), ("d", models / "constants", ""))
            text_format.Parse(both, reload.config)
            assert (
                model_service.HandleReloadConfigRequest(reload, timeout=30).status.error_code == 0
            )
            assert (
                prediction.Predict(predict_request("d", x=np.float32([0])), timeout=30)
                .outputs["y"]
                .float_val[0]
                == 2
            )
        finally:
            going = False
        assert sum(future.result() for future in asking) > 100
        assert {(1, 1.0), (2, 2.0), (3, 2.0)} == seen


def test_sigterm_lets_requests_end(models, tmp_path):
    with (
        serving_process(
            tmp_path,
            f"--model_base_path={models}/several",
            "--model_name=m",
            "--rest_api_num_threads=4",
        ) as server,
        server.channel() as channel,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        slow = predict_request("m", "slow", rounds=np.int32(8000))
        prediction.Predict(predict_request("m", "slow", rounds=np.int32(1)), timeout=60)
        running = pool.submit(prediction.Predict, slow, timeout=60)
        # Calls that wait for a model that does not load: they must hold nothing up.
        (tmp_path / "junk/1").mkdir(parents=True)
        (tmp_path / "junk/1/saved_model.pb").write_bytes(b"junk")
        reload = model_management_pb2.ReloadConfigRequest()
        listed = config(("m", models / "several", ""), ("junk", tmp_path / "junk", ""))
        text_format.Parse(listed, reload.config)
        model_service = model_service_pb2_grpc.ModelServiceStub(channel)
        for _ in range(10):
            with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
                model_service.HandleReloadConfigRequest(reload, timeout=0.05)
        body = json.dumps({"inputs": {"x": [[1, 2]], "name": ["a" * 600_000]}})
        assert server.get("/v1/models/m:predict", body.encode())[0] == 200
        assert server.get("/readyz")[0] == 200
        assert not running.done()
        code, out = server.stop()
        assert np.isfinite(running.result().outputs["x"].float_val[0])
    assert code == 0
    assert "answered 13 requests" in out
    assert "SIGTERM" in server.said()
    assert "--rest_api_num_threads has no meaning here" in server.said()


def test_mutual_tls(models, certificates, tmp_path):
    def quoted(name):
        return json.dumps((certificates / name).read_text())

    (tmp_path / "ssl.config").write_text(
        f"server_key: {quoted('server.key')} server_cert: {quoted('server.pem')} "
        f"custom_ca: {quoted('ca.pem')} client_verify: true"
    )
    read = {path.name: path.read_bytes() for path in certificates.iterdir()}
    credentials = grpc.ssl_channel_credentials(
        read["ca.pem"], read["client.key"], read["client.pem"]
    )
    request = predict_request("c", x=np.float32([0]))
    with serving(
        f"--model_base_path={models}/constants",
        "--model_name=c",
        f"--ssl_config_file={tmp_path}/ssl.config",
        "--access_log=/dev/full",  # A full disk fails no request.
    ) as server:
        address = f"localhost:{server.port}"
        with grpc.secure_channel(address, credentials) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(request, timeout=30).outputs["y"].float_val[0] == 2
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(read["ca.pem"])) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert refused(stub.Predict, request)[0] == "UNAVAILABLE"


@pytest.fixture(scope="module")
def ours(exported):
    base = exported.saved_model.parent
    with serving(f"--model_base_path={base}", "--model_name=mnist") as running:
        yield running


def test_an_export_of_ours(ours, exported, test_images, tmp_path):
    """With the calls of TF Serving's MNIST tutorial (mnist_client.py), and with our client."""
    images, labels = (each[:50] for each in test_images)
    with ours.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        right = 0
        for image, label in zip(images.reshape(50, 784) / np.float32(255), labels, strict=True):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "mnist"
            request.model_spec.signature_name = "predict_images"
            request.inputs["images"].CopyFrom(tf.make_tensor_proto(image, shape=[1, image.size]))
            result_future = stub.Predict.future(request, 5.0)
            response = np.array(result_future.result().outputs["scores"].float_val)
            right += np.argmax(response) == label
    expected = artifacts.open_saved_model(exported.saved_model).run(images)["probabilities"]
    assert right == (expected.argmax(1) == labels).sum()
    for address in (f"grpc://127.0.0.1:{ours.port}", f"http://127.0.0.1:{ours.rest}"):
        with client.Client(address) as caller:
            found = caller.classify_images(images, model="mnist")
            np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
            named = caller.classify_images(images, model="mnist", signature="classify")
            assert named.labels == [str(number) for number in expected.argmax(1)]
    PIL.Image.fromarray(images[0][..., 0]).save(tmp_path / "digit.png")
    arguments = [f"--server=grpc://127.0.0.1:{ours.port}", "--model_name=mnist"]
    summary = call(predict.COMMAND, [*arguments, tmp_path / "digit.png"])
    assert summary["predictions"][0]["class"] == expected[0].argmax()


def test_the_curl_line_that_is_printed(ours, exported, test_images, tmp_path):
    """As it is, on a digit that is photographed: dark on grey paper, unevenly lit."""
    line = next(line for line in ours.said().splitlines() if "base64" in line)
    digit = PIL.Image.fromarray(test_images[0][0, ..., 0]).resize((150, 150))
    sheet = np.tile(np.linspace(140, 220, 400), (300, 1))
    sheet[90:240, 200:350] *= 1 - 0.7 * np.asarray(digit) / 255
    PIL.Image.fromarray(sheet.astype(np.uint8)).save(tmp_path / "picture.png")
    run = ["bash", "-ec", line]
    answer = json.loads(subprocess.check_output(run, cwd=tmp_path, stderr=subprocess.DEVNULL))
    arguments = [f"--saved_model={exported.saved_model}", tmp_path / "picture.png"]
    expected = call(predict.COMMAND, arguments)["predictions"][0]["class"]
    assert answer["predictions"][0]["classes"] == expected == test_images[1][0]


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ([], 2, "which model? --model_base_path=exports/saved_model/NAME"),
        (["--model_base_path=x", "--batching_parameters_file=b"], 2, "needs --enable_batching"),
        (["--model_base_path=x", "--prot=1"], 2, "unknown flag --prot; did you mean --port?"),
        (["--model_config_file=/none"], 1, "/none does not exist"),
    ],
)
def test_rejects_flags_that_do_not_go_together(flags, code, words):
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        call(serve.COMMAND, [f"--port={free_port()}", *flags])
    assert caught.value.exit_code == code


def test_a_command_line_of_tf_serving(tmp_path):
    code = "from digitline.serving.serve import model_server; model_server()"
    done = python(
        code,
        *("--port=8500", "--enable_batching", "--per_process_gpu_memory_fraction=0.5"),
        *("--model_name", "mnist", "--version"),
        cwd=tmp_path,
    )
    unknown = [line for line in done.stderr.splitlines() if line.startswith("unknown argument: ")]
    assert [line.partition(": ")[2] for line in unknown] == [
        *("--per_process_gpu_memory_fraction=0.5", "--model_name", "mnist"),
    ]
    assert "usage: digitline serve" in done.stderr
    assert "TensorFlow Library: 2." in done.stdout


@pytest.mark.parametrize("kind", ["no folder", "broken", "port", "config"])
def test_a_start_that_fails_says_why(kind, models, tmp_path):
    port = free_port()
    flags = [f"--port={port}", f"--model_base_path={models}/constants", "--max_num_load_retries=0",
             "--trial=never"]  # fmt: skip
    words = ""
    with contextlib.ExitStack() as stack:
        if kind == "no folder":
            flags.append(f"--model_base_path={tmp_path}/none")
            words = f"Could not find base path {tmp_path}/none for servable default"
        elif kind == "broken":
            (tmp_path / "m/1").mkdir(parents=True)
            (tmp_path / "m/1/saved_model.pb").write_bytes(b"no model")
            flags.append(f"--model_base_path={tmp_path}/m")
            words = "1 model(s) did not become available"
        elif kind == "port":
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", port))
            taken.listen()
            words = f"gRPC cannot listen at 127.0.0.1:{port}"
        else:
            (tmp_path / "c").write_text("nothing of that kind")
            flags[1] = f"--model_config_file={tmp_path}/c"
            words = f"{tmp_path}/c: Error parsing text-format tensorflow.serving.ModelServerConfig"
        message = f"Failed to start server. Error: {words}"
        with pytest.raises(UserError, match=re.escape(message)) as caught:
            call(serve.COMMAND, flags)
    assert caught.value.exit_code == 1

from digitline.serving.process.access_log import Answered
from digitline.serving.process.metrics import Metrics
from digitline.serving.protocol.models import State, VersionStatus


def lines(metrics):
    return metrics.text().decode().splitlines()


def test_names_are_tf_servings():
    metrics = Metrics()
    metrics.follow_models(lambda: ["odd_count_total"])
    metrics.request(Answered("REST", "predict", "odd_count_total", "OK", 0.001, dict))
    metrics.batch("odd_count_total", 3, 4, 0.002)
    found = lines(metrics)
    name = ":tensorflow:serving:request_count"
    assert f"# TYPE {name} counter" in found
    assert f'{name}{{model_name="odd_count_total",status="OK"}} 1.0' in found
    padding = ":tensorflow:serving:batching_session:padding_size"
    assert f'{padding}{{model_name="odd_count_total"}} 1.0' in found
    latency = ":tensorflow:serving:request_latency_sum"
    labels = 'API="predict",entrypoint="REST",model_name="odd_count_total"'
    assert f"{latency}{{{labels}}} 1000.0" in found
    metrics.request(Answered("GRPC", "predict", "odd_count_total", "OK", 0.001, dict))
    assert (
        f"{latency}{{{labels.replace('predict', 'Predict').replace('REST', 'GRPC')}}} 1000.0"
        in (lines(metrics))
    )


def test_what_a_call_took_is_told_by_api_and_of_loaded_versions_by_signature():
    metrics = Metrics()
    metrics.runtime("m", 3, "Classify", "best", 0.001)
    whole = ':runtime_latency_sum{API="Classify",model_name="m",runtime="TF1"} 1000.0'
    apart = 'version_latency_sum{API="Classify",model_name="m",signature_name="best",version="3"}'
    assert f":tensorflow:serving{whole}" in lines(metrics)
    assert f":tensorflow:serving:{apart} 1000.0" in lines(metrics)
    metrics.version("m", VersionStatus(3, State.END))
    assert f":tensorflow:serving{whole}" in lines(metrics)
    assert "version_latency_sum" not in metrics.text().decode()


def test_names_that_clients_make_up_are_not_kept():
    metrics = Metrics()
    metrics.follow_models(lambda: ["mine"])
    for number in range(1000):
        name = f"other{number}"
        metrics.request(Answered("GRPC", "predict", name, "INVALID_ARGUMENT", 0.001, dict))
    found = [
        line for line in lines(metrics) if line.startswith(":tensorflow:serving:request_count")
    ]
    assert found == [
        ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"} 1000.0'
    ]


def test_versions_that_have_ended_are_not_shown():
    metrics = Metrics()
    for version in range(50):
        metrics.version("m", VersionStatus(version, State.AVAILABLE))
        metrics.version("m", VersionStatus(version, State.END))
    metrics.version("m", VersionStatus(50, State.AVAILABLE))
    states = [line for line in lines(metrics) if ":model_version_state{" in line]
    assert states == [':tensorflow:serving:model_version_state{model_name="m",version="50"} 30.0']

import importlib.resources
import json
import re
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from digitline.serving.protocol import messages

DEPLOY = Path(__file__).parents[2] / "deploy/tf-serving"
# The oldest Kubernetes that is still in wide use, and the newest that the schemas know.
KUBERNETES = ("1.29", "1.37")
PREFIX = ":tensorflow:serving:"


def manifests():
    return sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def load(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def arguments(words):
    return dict(word.removeprefix("--").split("=", 1) for word in words)


@pytest.mark.parametrize("name", ["models.config", "models.canary.config"])
def test_models(name):
    config = text_format.Parse(
        (DEPLOY / name).read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("lenet5", "/models/lenet5")
    assert model.model_platform == "tensorflow"
    if "canary" in name:
        served = set(model.model_version_policy.specific.versions)
        assert set(model.version_labels) == {"stable", "canary"}
        assert set(model.version_labels.values()) <= served
    else:
        assert model.model_version_policy.latest.num_versions == 1


def test_batching():
    text = (DEPLOY / "batching.config").read_text()
    parameters = text_format.Parse(text, messages.BatchingParameters())
    sizes = list(parameters.allowed_batch_sizes)
    # TF Serving refuses anything else.
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == parameters.max_batch_size.value
    assert parameters.num_batch_threads.value >= 1
    assert parameters.batch_timeout_micros.value > 0
    assert parameters.max_enqueued_batches.value > 0


def test_prometheus_finds_the_metrics():
    text = (DEPLOY / "monitoring.config").read_text()
    monitoring = text_format.Parse(text, messages.MonitoringConfig()).prometheus_config
    assert monitoring.enable
    (job,) = load("prometheus.yml")["scrape_configs"]
    assert job["metrics_path"] == monitoring.path
    compose = load("compose.yaml")
    (target,) = job["static_configs"][0]["targets"]
    service, _, port = target.partition(":")
    assert f"127.0.0.1:{port}:{port}" in compose["services"][service]["ports"]
    annotations = load("kubernetes/deployment.yaml")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == monitoring.path
    assert annotations["prometheus.io/port"] == port


def compose_schema():
    folder = importlib.resources.files("check_jsonschema") / "builtin_schemas/vendor"
    return json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))


def test_compose():
    compose = load("compose.yaml")
    jsonschema.validate(compose, compose_schema())
    services = compose["services"]
    assert set(services) == {"serving", "prometheus", "grafana"}
    for service in services.values():
        # Each image is of a stated version, each port for this machine only.
        tag = service["image"].rpartition(":")[2].rstrip("}").removeprefix("-")
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag), service["image"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            assert volume["read_only"]
            if not volume["source"].startswith("$"):
                assert (DEPLOY / volume["source"]).exists()
    # The image's entry point starts the server from a shell, which SIGTERM would not end.
    assert services["serving"]["init"] is True
    flags = arguments(services["serving"]["command"])
    for name, value in flags.items():
        if name.endswith("_file"):
            assert (DEPLOY / value.removeprefix("/config/")).is_file()
    assert (DEPLOY / "../../exports/saved_model").resolve() == (
        DEPLOY.parents[1] / "exports/saved_model"
    )
    services["serving"]["volums"] = []
    with pytest.raises(jsonschema.ValidationError, match="volums"):
        jsonschema.validate(compose, compose_schema())


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.stem)
def test_kubernetes(path, version):
    for resource in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_validator_finds_mistakes():
    deployment = load("kubernetes/deployment.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="redinessProbe"):
        kubernetes_validate.validate(deployment, KUBERNETES[-1], strict=True)


def test_the_manifests_fit_together():
    kustomization = load("kustomization.yaml")
    resources = {path: load(path) for path in kustomization["resources"]}
    # The pod for uploads is started by hand.
    applied = {DEPLOY / path for path in resources}
    assert applied == {*manifests()} - {DEPLOY / "kubernetes/upload.yaml"}
    (config,) = kustomization["configMapGenerator"]
    by_kind = {resource["kind"]: resource for resource in resources.values()}
    deployment = by_kind["Deployment"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"].items()
    assert by_kind["Service"]["spec"]["selector"].items() <= labels
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]  # Applying it again would undo the autoscaler.
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    claim = load("../storage/volume.yaml")["metadata"]["name"]
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == claim
    upload = load("kubernetes/upload.yaml")["spec"]["volumes"][0]
    assert upload["persistentVolumeClaim"]["claimName"] == claim
    (models,) = (mount for mount in container["volumeMounts"] if mount["name"] == "models")
    exports = re.search(
        r"^EXPORT_DIR=/data/(.+)$", (DEPLOY / "../storage/digitline.env").read_text(), re.M
    )
    assert models["subPath"] == f"{exports[1]}/saved_model"
    assert volumes["config"]["configMap"]["name"] == config["name"]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    for name, value in arguments(container["args"]).items():
        if name.endswith("_file"):
            assert value.removeprefix("/config/") in config["files"]
    assert all((DEPLOY / name).is_file() for name in config["files"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    # Without the image's entry point, and not as the first process, so that SIGTERM ends it.
    assert container["command"] == ["tensorflow_model_server"]
    assert pod["spec"]["shareProcessNamespace"] is True
    flags = arguments(container["args"])
    assert (int(flags["port"]), int(flags["rest_api_port"])) == (ports["grpc"], ports["rest"])
    assert {port["targetPort"] for port in by_kind["Service"]["spec"]["ports"]} == set(ports)
    model = text_format.Parse(
        (DEPLOY / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config[0]
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == f"/v1/models/{model.name}"
    assert container["livenessProbe"]["grpc"]["port"] == ports["grpc"]


def test_the_dashboard_shows_metrics_that_the_server_has():
    sources = load("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = load("grafana/provisioning/dashboards/serving.yml")["providers"]
    grafana = load("compose.yaml")["services"]["grafana"]
    targets = [volume["target"] for volume in grafana["volumes"]]
    assert provider["options"]["path"] in targets
    dashboard = json.loads((DEPLOY / "grafana/dashboards/serving.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    positions = [tuple(panel["gridPos"].values()) for panel in panels]
    assert len(set(positions)) == len(positions)
    # Of TF Serving's sources: servables/tensorflow/util.cc, batching/batching_session.cc.
    known = {
        "request_count",
        "request_latency_bucket",
        "runtime_latency_bucket",
        "batching_session:queuing_latency_bucket",
        "batching_session:processed_batch_size_sum",
        "batching_session:processed_batch_size_count",
    }
    shown = set()
    for panel in panels:
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == sources[0]["uid"]
            expression = target["expr"]
            assert expression.count("(") == expression.count(")")
            shown |= set(re.findall(rf"{PREFIX}([\w:]+)", expression))
    assert shown == known


def test_the_readme_names_flags_and_files_that_exist():
    from digitline.serving import predict

    text = (DEPLOY / "README.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (DEPLOY / target).exists(), target
    for name in re.findall(r"deploy/tf-serving/[\w./-]+", text):
        assert (DEPLOY.parents[1] / name).exists(), name
    for line in re.findall(r"^ *digitline predict (.+)$", text, re.M):
        for flag in re.findall(r"--(\w+)=", line):
            assert flag in predict.FLAGS

"""The kustomizations in deploy/, as `kubectl kustomize` builds them.

They keep to the schemas and to Pod Security, and agree with the commands, ports and images that
there are.
"""

import functools
import importlib
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker

import digitline
from digitline.base import command_flags
from digitline.cli import main
from digitline.models.training.devices import cluster

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
# The oldest Kubernetes that is still in wide use, and the newest that the schemas know.
KUBERNETES = ("1.29", "1.37")
# Applied before the others, in a namespace: where everything lies.
STORAGE, BUCKET = "storage", "bucket"
FOLDERS = sorted(
    path.parent.relative_to(DEPLOY).as_posix()
    for path in DEPLOY.rglob("kustomization.yaml")
    if "kind: Kustomization\n" in path.read_text()
)
CUSTOM = ("serving.kserve.io", "trainer.kubeflow.org")
needs_kubectl = pytest.mark.skipif(
    not shutil.which("kubectl"), reason="needs kubectl, whose kustomize builds the manifests"
)
pytestmark = needs_kubectl


@functools.cache
def built(folder):
    done = subprocess.run(
        ["kubectl", "kustomize", DEPLOY / folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(folder, kind):
    return {
        resource["metadata"]["name"]: resource
        for resource in built(folder)
        if resource["kind"] == kind
    }


def pods(resource):
    """The templates of pods in a resource, also in those of Kubeflow and KServe."""
    spec = resource.get("spec", {})
    match resource["kind"]:
        case "Job" | "Deployment":
            yield spec["template"]
        case "TrainingRuntime":
            for job in spec["template"]["spec"]["replicatedJobs"]:
                yield job["template"]["spec"]["template"]
        case "ServingRuntime":
            names = ("containers", "volumes")
            yield {"metadata": {}, "spec": {name: spec[name] for name in names}}


def containers(folder):
    for resource in built(folder):
        for pod in pods(resource):
            for container in pod["spec"]["containers"]:
                yield resource, pod, container


def configuration(folder):
    """The folder's ConfigMaps, and the one that is applied before it."""
    before = BUCKET if folder.startswith(BUCKET) else STORAGE
    return of_kind(before, "ConfigMap") | of_kind(folder, "ConfigMap")


def environment(folder, container, more=()):
    """The variables of a container, as far as manifests say them."""
    values = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            values |= configuration(folder)[source["configMapRef"]["name"]]["data"]
        else:
            assert source["secretRef"]["optional"] is True
    for variable in (*container.get("env", ()), *more):
        values[variable["name"]] = variable.get("value", "…")
    return values


def words(container, values):
    """A container's command line, with the values of variables in it."""

    def value(match):
        assert match[1] in values, f"{match[0]} is in no ConfigMap"
        return values[match[1]]

    line = [*container.get("command", ()), *container.get("args", ())]
    return [re.sub(r"\$\((\w+)\)", value, word).replace("{{.Name}}", "name") for word in line]


def options(line):
    """The options of one of our commands, parsed as the command does."""
    name, *arguments = line
    command = importlib.import_module(f"digitline.{main.COMMANDS[name][0]}").COMMAND
    command.flags.unparse_flags()
    rest = command_flags.parse(name, command.flags, command.flags, [name, *arguments])
    assert rest == [], rest
    return command.options(command.flags, rest)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("folder", FOLDERS)
def test_schemas(folder, version):
    for resource in built(folder):
        if resource["apiVersion"].split("/")[0] in CUSTOM:
            for pod in pods(resource):
                pod = {"apiVersion": "v1", "kind": "Pod", **pod}
                kubernetes_validate.validate(pod, version, strict=True)
        else:
            kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_are_as_restricted_as_pod_security_has_it(folder):
    for resource, pod, container in containers(folder):
        name, spec = resource["metadata"]["name"], pod["spec"]
        security = {**spec.get("securityContext", {}), **container["securityContext"]}
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] > 0, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"] == {"drop": ["ALL"]}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        kinds = {kind for volume in spec["volumes"] for kind in volume} - {"name"}
        assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}, name
        # Beyond that standard.
        assert security["readOnlyRootFilesystem"] is True, name
        if resource["kind"] != "ServingRuntime":  # It has none: the InferenceService says it.
            assert spec["automountServiceAccountToken"] is False, name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name
    for service in of_kind(folder, "InferenceService").values():
        assert service["spec"]["predictor"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("folder", FOLDERS)
def test_images_are_those_of_the_dockerfile_at_this_version(folder):
    targets = re.findall(r"^FROM .+ AS (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    for _, _, container in containers(folder):
        image, _, tag = container["image"].partition(":")
        if image == "tensorflow/serving":
            assert re.fullmatch(r"2\.\d+\.\d+", tag)
        else:
            assert image.removeprefix("digitline-") in targets
            assert tag == digitline.__version__


@pytest.mark.parametrize("folder", FOLDERS)
def test_command_lines_are_parsed_by_the_commands(folder):
    for resource, _, container in containers(folder):
        line = words(container, environment(folder, container))
        if container["image"].startswith("tensorflow/"):
            continue
        if line[:1] == ["dask"]:
            cli = {"scheduler": dask_scheduler, "worker": dask_worker}[line[1]]
            cli.main.make_context(line[1], line[2:])
        elif resource["kind"] == "TrainingRuntime":
            assert not line  # The TrainJob says it.
        else:
            parsed = options(line)
            if line[0] == "serve":
                parsed.check()
    for job in of_kind(folder, "TrainJob").values():
        runtime = of_kind(folder, job["spec"]["runtimeRef"]["kind"])
        (pod,) = pods(runtime[job["spec"]["runtimeRef"]["name"]])
        (container,) = pod["spec"]["containers"]
        trainer = job["spec"]["trainer"]
        values = environment(folder, container, trainer["env"])
        options(words(trainer, values))
        assert values["DIGITLINE_WORKERS"] == str(trainer["numNodes"])


def test_a_flag_that_does_not_exist_is_found():
    (container,) = (container for _, _, container in containers("train"))
    container = {**container, "args": [*container["args"], "--modle=lenet5"]}
    with pytest.raises(digitline.UsageError, match="unknown flag --modle; did you mean --model"):
        options(words(container, environment("train", container)))


@pytest.mark.parametrize("folder", FOLDERS)
def test_names_lead_somewhere(folder):
    claims = of_kind(STORAGE, "PersistentVolumeClaim") | of_kind(folder, "PersistentVolumeClaim")
    for resource, pod, container in containers(folder):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in configuration(folder)
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
        for word in words(container, environment(folder, container)):
            if match := re.fullmatch(r"--\w+_file=/config/(.+)", word):
                name = volumes["config"]["configMap"]["name"]
                assert match[1] in configuration(folder)[name]["data"], word
        account = pod["spec"].get("serviceAccountName")
        assert account is None or account in of_kind(BUCKET, "ServiceAccount")
        if resource["kind"] == "Deployment":
            selector = resource["spec"]["selector"]["matchLabels"]
            assert selector.items() <= pod["metadata"]["labels"].items()
        for rule in resource["spec"].get("podFailurePolicy", {}).get("rules", ()):
            assert rule.get("onExitCodes", {}).get("containerName", "digitline") == "digitline"


@pytest.mark.parametrize("folder", FOLDERS)
def test_selectors_find_pods_and_their_ports(folder):
    def selected(labels):
        found = [
            container
            for _, pod, container in containers(folder)
            if labels.items() <= pod.get("metadata", {}).get("labels", {}).items()
        ]
        assert found, labels
        return {port["name"] for container in found for port in container.get("ports", ())}

    for service in of_kind(folder, "Service").values():
        ports = {port["targetPort"] for port in service["spec"]["ports"]}
        assert ports <= selected(service["spec"]["selector"])
    for budget in of_kind(folder, "PodDisruptionBudget").values():
        selected(budget["spec"]["selector"]["matchLabels"])
    for policy in of_kind(folder, "NetworkPolicy").values():
        if "TrainJob" not in {resource["kind"] for resource in built(folder)}:
            ports = selected(policy["spec"]["podSelector"]["matchLabels"])
            for rule in policy["spec"]["ingress"]:
                assert {port["port"] for port in rule.get("ports", ())} <= ports
    for scaler in of_kind(folder, "HorizontalPodAutoscaler").values():
        target = of_kind(folder, "Deployment")[scaler["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]  # Applying it again would undo the autoscaler.


@pytest.mark.parametrize("folder", ["serve", "bucket/serve", "kserve"])
def test_the_server_answers_where_it_is_asked(folder):
    ((resource, pod, container),) = containers(folder)
    served = options(words(container, environment(folder, container)))
    names = {"grpc": served.port, "rest": served.rest_api_port, "http1": served.rest_api_port}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert all(names[name] == port for name, port in ports.items())
    assert served.host == "0.0.0.0"
    assert served.enable_grpc_healthcheck_service
    paths = {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    for probe, path in paths.items():
        if probe in container:
            asked = container[probe]["httpGet"]
            assert (asked["path"], ports.get(asked["port"], asked["port"])) == (
                path,
                served.rest_api_port,
            )
    if resource["kind"] == "Deployment":
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        # What hangs is killed 10 seconds after the grace.
        assert pod["spec"]["terminationGracePeriodSeconds"] >= (
            pause + served.shutdown_grace_seconds + 10
        )


def worker(values, hostname, monkeypatch):
    """The cluster as digitline reads it in the pod of worker 1."""
    monkeypatch.setattr(cluster.socket, "gethostname", lambda: hostname)
    return cluster.stated({**values, "JOB_COMPLETION_INDEX": "1"})


def test_workers_find_each_other(monkeypatch):
    (job,) = of_kind("train", "Job").values()
    (service,) = of_kind("train", "Service").values()
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    values = environment("train", pod["containers"][0])
    assert spec["completionMode"] == "Indexed"
    assert values["DIGITLINE_WORKERS"] == str(spec["completions"]) == str(spec["parallelism"])
    assert values["DIGITLINE_SERVICE"] == service["metadata"]["name"] == pod["subdomain"]
    # Names are given before the pods are ready: they wait for each other.
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    # An indexed job calls its pods so.
    stated = worker(values, f"{job['metadata']['name']}-1", monkeypatch)
    assert (stated.workers, stated.index) == (("train-0.train:2222", "train-1.train:2222"), 1)
    (port,) = pod["containers"][0]["ports"]
    assert port["containerPort"] == 2222


def test_workers_of_a_trainjob_find_each_other(monkeypatch):
    (job,), (runtime,) = (
        of_kind("kubeflow", kind).values() for kind in ("TrainJob", "TrainingRuntime")
    )
    ((node,),) = (runtime["spec"]["template"]["spec"]["replicatedJobs"],)
    (container,) = node["template"]["spec"]["template"]["spec"]["containers"]
    service = next(each for each in container["env"] if each["name"] == "DIGITLINE_SERVICE")
    # The JobSet is called as the TrainJob is, and its headless service as the JobSet.
    assert "jobset-name" in service["valueFrom"]["fieldRef"]["fieldPath"]
    name = job["metadata"]["name"]
    values = environment("kubeflow", container, job["spec"]["trainer"]["env"])
    stated = worker({**values, "DIGITLINE_SERVICE": name}, f"{name}-node-0-1", monkeypatch)
    assert stated.workers[0] == "train-kubeflow-node-0-0.train-kubeflow:2222"
    assert len(stated.workers) == job["spec"]["trainer"]["numNodes"]


def test_paths_are_in_one_place_on_a_volume_or_in_a_bucket():
    on_volume = configuration("train")["digitline"]["data"]
    in_bucket = configuration("bucket/train")["digitline"]["data"]
    assert set(on_volume) <= set(in_bucket)
    paths = {name for name, value in on_volume.items() if value.startswith("/data/")}
    assert {"DATA_DIR", "WORKDIR", "EXPORT_DIR", "SOURCE_DIR", "MODEL_BASE_PATH"} == paths
    assert all(in_bucket[name].startswith("s3://") for name in paths)
    for folder in (folder for folder in FOLDERS if folder.startswith("bucket/")):
        for _, pod, container in containers(folder):
            (data,) = (volume for volume in pod["spec"]["volumes"] if volume["name"] == "data")
            assert "emptyDir" in data
            mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
            assert in_bucket["DIGITLINE_CACHE"] == mounts["data"]["mountPath"]
            assert not mounts["data"].get("readOnly")
            assert pod["spec"]["serviceAccountName"] in of_kind(BUCKET, "ServiceAccount")
    for folder in (STORAGE, BUCKET):
        data = configuration(folder)["digitline"]["data"]
        model, root = data["MODEL"], data["EXPORT_DIR"]
        assert data["MODEL_BASE_PATH"] == f"{root}/saved_model/{model}"

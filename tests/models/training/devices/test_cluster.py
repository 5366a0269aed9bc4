"""Which cluster the environment states."""

import json
import socket

import pytest

from digitline.base.errors import UsageError
from digitline.models.training.devices import cluster
from digitline.models.training.devices.strategy import make

HOSTS = ["a:1", "b:2", "c:3"]


def tf_config(kind, index, **jobs):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


def test_a_process_on_its_own_is_in_no_cluster():
    alone = (
        {},
        {"TF_CONFIG": "{}"},
        tf_config("worker", 0, worker=["a:1"]),
        {"SLURM_PROCID": "1"},
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
        {"JOB_COMPLETION_INDEX": "1"},
    )
    assert [cluster.stated(environment) for environment in alone] == [None] * len(alone)


@pytest.mark.parametrize(
    ("environment", "index"),
    [
        (tf_config("worker", 1, worker=HOSTS), 1),
        (tf_config("chief", 0, chief=HOSTS[:1], worker=HOSTS[1:]), 0),
        (tf_config("worker", 1, chief=HOSTS[:1], worker=HOSTS[1:]), 2),
        (tf_config("worker", 0, chief=HOSTS[:1], worker=HOSTS[1:], evaluator=["d:4"]), 1),
    ],
)
def test_tf_config(environment, index):
    found = cluster.stated(environment)
    assert (list(found.workers), found.index) == (HOSTS, index)
    told = json.loads(found.tf_config)
    assert told == {"cluster": {"worker": HOSTS}, "task": {"type": "worker", "index": index}}


def test_slurm(monkeypatch):
    step = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "2", "SLURM_STEP_NODELIST": "n[1-2]",
            "SLURM_STEP_TASKS_PER_NODE": "2,1"}  # fmt: skip
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    found = cluster.stated({**step, "DIGITLINE_PORT": "5000"})
    assert (found.workers, found.index) == (("n1:5000", "n1:5001", "n2:5000"), 2)
    monkeypatch.delenv("SLURM_STEP_NODELIST")
    with pytest.raises(UsageError, match="Slurm's variables state no cluster: SLURM_STEP_NODELIST"):
        cluster.stated(step)


POD = {"DIGITLINE_WORKERS": "2", "JOB_COMPLETION_INDEX": "1", "DIGITLINE_SERVICE": "train"}


@pytest.mark.parametrize("host", ["mnist-1", "mnist-1.train.default.svc.cluster.local"])
def test_an_indexed_job(host, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    found = cluster.stated(POD)
    assert (found.workers, found.index) == (("mnist-0.train:2222", "mnist-1.train:2222"), 1)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{"}, r"TF_CONFIG=\{ is not what TensorFlow reads"),
        ({"TF_CONFIG": "[]"}, "is not what TensorFlow reads"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "KeyError: 'task'"),
        (tf_config("worker", 3, worker=HOSTS), "names 3 workers, and this is number 3 of them"),
        (tf_config("worker", -1, worker=HOSTS), "this is number -1"),
        (tf_config("ps", 0, worker=HOSTS, ps=["d:4"]), "makes this process a ps: digitline train"),
        (tf_config("evaluator", 0, worker=HOSTS), "makes this process a evaluator"),
        (tf_config("worker", 0, worker=["a:1", "b"]), "TF_CONFIG names b: expected HOST:PORT"),
        (tf_config("worker", 0, worker=["a:1", "b:65536"]), "TF_CONFIG names b:65536: expected"),
        ({**POD, "DIGITLINE_SERVICE": ""}, "the name of the job's headless service"),
        ({**POD, "DIGITLINE_WORKERS": "two"}, "DIGITLINE_WORKERS=two"),
        ({**POD, "JOB_COMPLETION_INDEX": ""}, "JOB_COMPLETION_INDEX=,"),
        (POD, "this host is called here; in a pod of an indexed Job .* ends with -1"),
        ({**POD, "JOB_COMPLETION_INDEX": "2"}, "ends with -2"),
    ],
)
def test_what_contradicts_itself_is_refused(environment, message, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    with pytest.raises(UsageError, match=message):
        cluster.stated(environment)


def test_a_port_is_a_number(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "mnist-1")
    with pytest.raises(UsageError, match="DIGITLINE_PORT=http: expected a port"):
        cluster.stated({**POD, "DIGITLINE_PORT": "http"})


def test_a_strategy_says_what_it_lacks(capsys):
    with pytest.raises(UsageError, match="multi_worker: nothing here states more than one worker"):
        make("multi_worker", None, 0.0)
    with pytest.raises(UsageError, match="--strategy=tpu: no TPU answers here"):
        make("tpu", None, 0.0)
    alone = make("one", cluster.stated(tf_config("worker", 1, worker=HOSTS)), 0.0)
    assert (alone.workers.is_chief, alone.strategy.num_replicas_in_sync) == (True, 1)
    assert "states 3 workers: --strategy=one leaves them alone" in capsys.readouterr().err

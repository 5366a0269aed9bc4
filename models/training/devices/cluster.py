"""Which cluster this process is one worker of, if any: read from the environment.

Three things state one, looked at in this order:

- `TF_CONFIG`, which Vertex AI, Kubeflow and the like set:
  `{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}`;
- Slurm: the variables of a step (`srun`) of more than one task;
- an indexed Job of Kubernetes: `JOB_COMPLETION_INDEX`, with `DIGITLINE_WORKERS`, the number of
  pods, and `DIGITLINE_SERVICE`, the job's headless service.
"""

import dataclasses
import json
import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from ....base.errors import UsageError

# Where workers listen; on a node with several Slurm tasks, the first of them.
_PORT = 2222
_STATING = ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "DIGITLINE_WORKERS")
# The tasks of a TF_CONFIG that train, the chief first.
_TRAINERS = ("chief", "worker")
_ADDRESS = re.compile(r"(?:\[[\w:.%]+\]|[\w-]+(?:\.[\w-]+)*\.?):(\d{1,5})")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Processes that train one run together.

    Attributes:
      workers: `host:port` of each; the first is the chief, which alone writes the run.
      index: of this process.
      stated_by: what states the cluster, in words.
    """

    workers: tuple[str, ...]
    index: int
    stated_by: str

    @property
    def tf_config(self) -> str:
        """The same for TensorFlow, as TF_CONFIG has it."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": self.workers}, "task": task})


def stated(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that the environment states; None if it states none, or one of one process.

    Raises:
      UsageError: it contradicts itself.
    """
    if any(environment.get(name) for name in _STATING):
        # TensorFlow logs a page of errors when a worker ends, which is said in one line here.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for read in (_of_tf_config, _of_slurm, _of_kubernetes):
        cluster = read(environment)
        if cluster is not None:
            if not 0 <= cluster.index < len(cluster.workers):
                raise UsageError(
                    f"{cluster.stated_by} names {len(cluster.workers)} workers, and this is number "
                    f"{cluster.index} of them, counted from 0"
                )
            for worker in cluster.workers:
                address = _ADDRESS.fullmatch(worker)
                if not address or not 0 < int(address[1]) < 2**16:
                    raise UsageError(f"{cluster.stated_by} names {worker}: expected HOST:PORT")
            return cluster if len(cluster.workers) > 1 else None
    return None


def _of_tf_config(environment: Mapping[str, str]) -> Cluster | None:
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        config: Any = json.loads(text)
        jobs = {name: tuple(map(str, hosts)) for name, hosts in config.get("cluster", {}).items()}
        if not any(jobs.values()):
            return None
        kind, index = str(config["task"]["type"]), int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"TF_CONFIG={text} is not what TensorFlow reads ({type(error).__name__}: {error}); "
            'expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", '
            '"index": 0}}'
        ) from None
    if kind not in _TRAINERS:
        raise UsageError(
            f"TF_CONFIG makes this process a {kind}: digitline train has a chief and workers only, "
            "which sum their gradients among themselves, and the chief validates"
        )
    before = sum(len(jobs.get(job, ())) for job in _TRAINERS[: _TRAINERS.index(kind)])
    workers = tuple(host for job in _TRAINERS for host in jobs.get(job, ()))
    return Cluster(workers, before + index, "TF_CONFIG")


def _of_slurm(environment: Mapping[str, str]) -> Cluster | None:
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "")
    if not tasks.isdecimal() or int(tasks) < 2 or "SLURM_PROCID" not in environment:
        return None
    from ....base.tf import tf

    try:
        # It allots GPUs too, for which it asks nvidia-smi, and has no tasks without any: Slurm's
        # own --gpus-per-task does that, so here each task is said to have one.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_port(environment),
            gpus_per_node=int(tasks),
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        workers = tuple(resolver.cluster_spec().as_dict()["worker"])
        return Cluster(workers, int(environment["SLURM_PROCID"]), "Slurm")
    except (RuntimeError, ValueError, KeyError) as error:
        raise UsageError(f"Slurm's variables state no cluster: {error}") from None


def _of_kubernetes(environment: Mapping[str, str]) -> Cluster | None:
    number, index = (
        environment.get(name, "") for name in ("DIGITLINE_WORKERS", "JOB_COMPLETION_INDEX")
    )
    if not number:
        return None
    service, host = environment.get("DIGITLINE_SERVICE", ""), socket.gethostname().split(".")[0]
    if not number.isdecimal() or not index.isdecimal() or not service:
        raise UsageError(
            f"DIGITLINE_WORKERS={number}, JOB_COMPLETION_INDEX={index}, "
            f"DIGITLINE_SERVICE={service}: expected the number of pods, the pod's own number "
            "(an indexed Job sets it) and the name of the job's headless service"
        )
    if not host.endswith(f"-{index}"):
        raise UsageError(
            f"this host is called {host}; in a pod of an indexed Job with a headless service its "
            f"name ends with -{index}"
        )
    job, port = host.removesuffix(index), _port(environment)
    workers = tuple(f"{job}{pod}.{service}:{port}" for pod in range(int(number)))
    return Cluster(workers, int(index), "the indexed job")


def _port(environment: Mapping[str, str]) -> int:
    text = environment.get("DIGITLINE_PORT", str(_PORT))
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise UsageError(f"DIGITLINE_PORT={text}: expected a port")
    return int(text)

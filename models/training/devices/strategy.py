"""The strategy of a training: on which devices it runs, and who sums their gradients."""

import dataclasses
import itertools
import os
import re
from typing import Any

from ....base import progress
from ....base.errors import UsageError, UserError, first_line
from ....base.tf import tf
from ....data import loopback
from ..interrupts import Interrupts, Stopped
from . import rows
from .cluster import Cluster
from .meeting import is_here_only, meet
from .workers import Workers

# All have come; each has to start TensorFlow's server only.
_JOIN_S = 60.0
# What TensorFlow says of those that are not there after it.
_TASK = r"/job:worker/replica:0/task:(\d+)\s*"
_LATE = re.compile(rf"timed out task names:\s*((?:{_TASK})+)")


@dataclasses.dataclass(frozen=True)
class Devices:
    """What a run is shared out among.

    Attributes:
      name: of the strategy: `one`, `mirrored`, `multi_worker` or `tpu`.
      workers: the processes; each has as many replicas of the network.
      where: the workers in words.
    """

    name: str
    strategy: tf.distribute.Strategy
    workers: Workers
    where: str = ""

    def describe(self, batch_size: int) -> str:
        """What a person reads of it."""
        replicas = self.strategy.num_replicas_in_sync
        if replicas == 1:
            return _hardware()
        ends = rows.bounds(batch_size, replicas)
        sizes = sorted({end - start for start, end in itertools.pairwise(ends)})
        images = " or ".join(map(str, sizes))
        each = replicas // self.workers.count
        devices = f"{each} devices" if each > 1 else "1 device"
        of_each = f"{self.where}, {devices} each" if self.where else devices
        return f"{of_each} ({_hardware()}), {images} images of a batch on a device ({self.name})"


def make(name: str, cluster: Cluster | None, join_minutes: float) -> Devices:
    """The devices to train on; before TensorFlow has done anything else, where there is a cluster.

    Args:
      name: a strategy; `auto` is the one that uses what is there.
      cluster: the one that the environment states.
      join_minutes: how long to wait for the other workers of it.

    Raises:
      Stopped: a signal came while it waited for other workers.
      UsageError: what it needs is not here.
      UserError: the cluster cannot be joined.
    """
    gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "auto":
        name = "multi_worker" if cluster else "mirrored" if gpus > 1 else "one"
    if name == "multi_worker":
        return _join(cluster, join_minutes)
    if cluster:
        progress.say(
            f"{cluster.stated_by} states {len(cluster.workers)} workers: --strategy={name} leaves "
            "them alone, and this process trains by itself"
        )
    if name == "mirrored":
        kind = "GPU" if gpus else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        strategy = tf.distribute.MirroredStrategy(devices)
    else:
        strategy = _tpu() if name == "tpu" else tf.distribute.get_strategy()
    return Devices(name, strategy, Workers(strategy))


def _join(cluster: Cluster | None, minutes: float) -> Devices:
    if cluster is None:
        raise UsageError(
            "--strategy=multi_worker: nothing here states more than one worker; set TF_CONFIG, "
            "start it by srun, or as an indexed Job of Kubernetes with DIGITLINE_WORKERS and "
            "DIGITLINE_SERVICE; --local_workers=2 starts two on this machine"
        )
    count, index = len(cluster.workers), cluster.index
    progress.say(
        f"worker {index} of {count} ({cluster.stated_by}) at {cluster.workers[index]}: waits for "
        f"the others; the chief is at {cluster.workers[0]}"
    )
    meet(cluster, minutes)
    os.environ["TF_CONFIG"] = cluster.tf_config
    # TensorFlow takes SIGTERM over, and does nothing with it: the block gives it back.
    with Interrupts() as interrupts:
        try:
            _bound_joining(count)
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise UserError(
                f"worker {index} of {count} cannot join the others at {cluster.workers[index]}: "
                f"{_why(error)}"
            ) from error
    if interrupts.number:
        raise Stopped(f"{interrupts.name} before training has begun here", interrupts.number)
    if is_here_only(cluster):
        loopback.close_to_others()
    return Devices(
        "multi_worker",
        strategy,
        Workers(strategy, count, index),
        f"{count} workers by {cluster.stated_by}",
    )


def _bound_joining(workers: int) -> None:
    """Bounds how long TensorFlow waits for workers that have met: an hour, unless it is told."""
    from tensorflow.python.eager import context

    eager: Any = context.context()
    job = tf.compat.v1.ConfigProto().experimental.coordination_config.coordinated_job_list.add(
        name="worker", num_tasks=workers
    )
    # What the strategy does where it is not done yet.
    eager.configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=int(_JOIN_S * 1000),
        coordinated_jobs=[job],
    )
    # Else the bound does not hold for the chief, which is connected at once.
    eager.coordination_service.cluster_register_with_barrier = True


def _why(error: Exception) -> str:
    late = _LATE.search(str(error))
    if not late:
        return first_line(error)
    return f"too late, or gone: worker {', '.join(re.findall(_TASK, late[1]))}"


def _tpu() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"--strategy=tpu: no TPU answers here (TPU_NAME={name}: {first_line(error)})"
        ) from error


def _hardware() -> str:
    names = [
        str(tf.config.experimental.get_device_details(device).get("device_name", device.name))
        for device in tf.config.list_physical_devices("GPU")
    ]
    return ", ".join(names) or f"CPU, {os.cpu_count()} cores"

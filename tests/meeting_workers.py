"""A command whose processes are workers that wait for one another, one of which dies before."""

import os
import signal

from digitline.models.training.devices.cluster import stated
from digitline.models.training.devices.meeting import meet


def run(dies):
    """Returns once all are there; the worker of that number is killed first."""
    cluster = stated()
    if cluster.index == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    meet(cluster, 10)

import functools
import operator
import os
import signal
import subprocess
import time

import pytest

from digitline.base.errors import UserError
from digitline.data.preparation.executors import local
from digitline.data.preparation.executors.local import LocalExecutor, executor_for


@pytest.fixture
def started(monkeypatch):
    """The processes that are started."""
    processes = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        processes.append(popen(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(local.subprocess, "Popen", start)
    return processes


@pytest.mark.parametrize(("processes", "count"), [(1, 5), (2, 5), (4, 2), (3, 0)])
def test_results_come_in_the_order_of_the_slices(processes, count, started):
    results = LocalExecutor(processes)(functools.partial(operator.mul, 3), count, "multiplying")
    assert results == [3 * index for index in range(count)]
    assert len(started) == (min(processes, count) if min(processes, count) > 1 else 0)
    assert all(process.returncode is not None for process in started)


def test_little_work_is_done_in_this_process():
    assert executor_for(1000).processes == 1
    assert executor_for(10**9).processes == len(os.sched_getaffinity(0))


def test_an_error_of_the_system_comes_back_as_it_was():
    with pytest.raises(NotADirectoryError, match="Not a directory"):
        LocalExecutor(2)(os.listdir, 2, "listing")  # A worker's file 0 is no folder.


def test_a_fault_of_the_code_shows_its_traceback():
    with pytest.raises(RuntimeError, match=r"in a worker:(\n.*)+ZeroDivisionError"):
        LocalExecutor(2)(functools.partial(operator.floordiv, 1), 3, "dividing")


def test_a_process_that_dies_is_one_line(started):
    with pytest.raises(UserError, match="sleeping: one of the processes was ended from outside"):
        LocalExecutor(2)(os._exit, 3, "sleeping")
    assert all(process.returncode is not None for process in started)


def test_ctrl_c_ends_all_processes(started):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            LocalExecutor(2)(time.sleep, 100, "sleeping")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert all(process.returncode is not None for process in started)


def test_a_process_ends_with_its_parent(started):
    with local._worker() as connection:
        connection.send(time.sleep)
        connection.send(60)
        connection.close()  # As the system does where the parent is killed.
        assert started[0].wait(timeout=20) == 1

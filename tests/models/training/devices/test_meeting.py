"""Workers that wait for one another: threads here, with real sockets."""

import concurrent.futures
import contextlib
import re
import socket
import threading
import time

import pytest

from digitline.base.errors import UserError
from digitline.models.training.devices import link, meeting
from digitline.models.training.devices.cluster import Cluster
from digitline.models.training.devices.local import free_ports


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What takes seconds takes less."""
    monkeypatch.setattr(meeting, "_SAID_S", 0.3)
    monkeypatch.setattr(meeting, "_GONE_S", 1.0)
    monkeypatch.setattr(meeting, "_PARTING_S", 0.5)
    monkeypatch.setattr(meeting, "_LOOK_S", 0.02)
    monkeypatch.setattr(link, "_LINE_S", 0.05)
    monkeypatch.setattr(link, "_SILENT_S", 1.5)


@pytest.fixture
def hosts():
    return tuple(f"127.0.0.1:{port}" for port in free_ports(3))


@pytest.fixture
def start(hosts):
    """Starts workers by their numbers; gives the future of each, of the error that it ends with."""
    with concurrent.futures.ThreadPoolExecutor() as pool:

        def come(index, minutes, workers):
            try:
                meeting.meet(Cluster(workers, index, "TF_CONFIG"), minutes)
            except UserError as error:
                return error

        yield lambda *indices, minutes=0.5, workers=hosts: [
            pool.submit(come, index, minutes, workers) for index in indices
        ]


def ends(futures):
    return [future.result(10) for future in futures]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_go_on_once_all_are_there(order, start, hosts, capsys):
    *early, last = order
    waiting = start(*early)
    time.sleep(1)
    assert not any(future.done() for future in waiting)
    assert ends([*waiting, *start(last)]) == [None] * 3
    said = f"waits for worker {last} ({hosts[last]}), 30.0 s at most (--join_minutes)"
    assert said in capsys.readouterr().err.splitlines()
    socket.create_server(("127.0.0.1", int(hosts[0].rpartition(":")[2]))).close()  # It is free.


def test_one_that_does_not_come_ends_the_others_and_is_named(start, hosts):
    begun = time.monotonic()
    chief, other = ends(start(0, 1, minutes=0.01))
    assert time.monotonic() - begun < 5
    end = f"worker 2 ({hosts[2]}) did not come within 0.6 s (--join_minutes): start all workers"
    assert str(chief).startswith(end)
    assert str(other).startswith(f"worker 1 of 3: {end}")


def test_a_chief_that_does_not_come_is_named_by_the_others(start, hosts):
    for error in ends(start(1, 2, minutes=0.01)):
        assert str(error).startswith(f"worker 0 ({hosts[0]}) did not come within 0.6 s")


@contextlib.contextmanager
def guest(hosts, *said):
    """A connection to the chief that says what it is told to."""
    _, port = hosts[0].split(":")
    end = time.monotonic() + 5
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            connection = socket.create_connection(("127.0.0.1", int(port)))
            break
        assert time.monotonic() < end
        time.sleep(0.01)
    with connection:
        for line in said:
            connection.sendall(line)
        yield connection


@pytest.mark.parametrize("silent", [False, True])
def test_one_that_came_and_died_ends_the_others(silent, start, hosts):
    """The connection of a machine that is lost, or of a process that was stopped, does not end."""
    chief = start(0)
    with guest(hosts, b"digitline 2 3\n") as connection:
        connection.recv(1)
        if not silent:
            connection.close()
        (error,) = ends(chief)
        assert str(error).startswith(f"worker 2 ({hosts[2]}) came, and left before all had come")


def test_one_that_died_and_comes_again_is_awaited(start, hosts):
    chief = start(0)
    with guest(hosts, b"digitline 2 3\n") as connection:
        connection.recv(1)
    time.sleep(0.2)
    assert ends([*chief, *start(1, 2)]) == [None] * 3


def test_who_is_no_worker_of_the_cluster_does_no_harm(start, hosts):
    waiting = start(0, 1)
    with contextlib.ExitStack() as stack:
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * (1 << 18), b"digitline 3 3\n",
                     b"digitline 0 3\n", b"digitline 1", b"digitline -1 3\n"):  # fmt: skip
            with contextlib.suppress(ConnectionError):
                stack.enter_context(guest(hosts, said))
        time.sleep(0.2)
        assert not any(future.done() for future in waiting)
        assert ends([*waiting, *start(2)]) == [None] * 3


def test_one_of_another_number_of_workers_is_told(start, hosts):
    waiting = start(0, 1)
    (error,) = ends(start(2, workers=(*hosts, "127.0.0.1:1")))
    assert str(error) == "worker 2 of 4: it was told of 4 workers, the chief of 3"
    assert ends([*waiting, *start(2)]) == [None] * 3


def test_of_two_with_one_number_the_first_ends(start, hosts):
    (first,) = start(1)
    chief = start(0)
    time.sleep(0.2)
    second = start(1)
    assert "another process came to the chief with this number" in str(ends([first])[0])
    assert ends([*chief, *second, *start(2)]) == [None] * 3


def test_a_port_that_is_taken(start, hosts):
    with socket.create_server(("127.0.0.1", int(hosts[0].rpartition(":")[2]))):
        (error,) = ends(start(0))
    assert re.match(rf"the chief cannot listen at {hosts[0]}: .*in use", str(error))


def test_of_many_only_some_are_named():
    cluster = Cluster(tuple(f"host-{index}:1" for index in range(30)), 0, "TF_CONFIG")
    wait = meeting._Wait(cluster, 0.0, threading.local())
    assert wait._names([1]) == "worker 1 (host-1:1)"
    assert wait._names([1, 2]) == "worker 1 (host-1:1) and worker 2 (host-2:1)"
    assert wait._names(range(1, 30)).endswith("worker 8 (host-8:1) and 21 more")

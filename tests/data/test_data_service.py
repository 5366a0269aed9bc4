"""TensorFlow's data service in processes of its own."""

import contextlib
import itertools
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.base.tf import tf
from digitline.data import data_service, loopback
from digitline.data.pipeline import served
from digitline.data.pipeline.augment import Augment
from digitline.data.pipeline.batches import Batching, training_batches
from digitline.data.pipeline.preprocess import Preprocess

from support import call, digitline

PREPROCESS = Preprocess((28, 28, 1), 32, 32, "pad")


@pytest.fixture(scope="module")
def start():
    """Starts `digitline data_service`; gives the process and its address."""
    with contextlib.ExitStack() as stack:

        def start(*flags):
            words = [sys.executable, "-m", "digitline.cli", "data_service", *flags]
            process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            lines = iter(process.stderr.readline, "")
            line = next(line for line in lines if line.startswith("data service at"))
            return process, re.search(r"grpc://[\w.:]+", line)[0]

        yield start


@pytest.fixture(scope="module")
def service(start):
    """A process with the dispatcher and a worker, its address, and a process with another one."""
    process, address = start("--port=0")
    return process, address, start(f"--dispatcher={address}")[0]


def stream(split, tmp_path, start_step=0, **options):
    batching = Batching(batch_size=50, seed=3, cache_dir=tmp_path, **options)
    return training_batches(split, PREPROCESS, batching, start_step)


def taken(batches, count):
    pairs = itertools.islice(batches, count)
    images, labels = zip(*((image.numpy(), label.numpy()) for image, label in pairs), strict=True)
    return np.stack(images), np.stack(labels)


def assert_equal(batches, expected):
    for values, wanted in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(values, wanted)


def test_batches_are_those_without_a_service(dataset, service, tmp_path):
    """From whatever step, and although a worker is killed."""
    split, augment = dataset.split("train"), Augment(shift=2, rotate=10)
    expected = taken(stream(split, tmp_path, 7, augment=augment), 150)
    ahead = served.Ahead()
    batches = iter(stream(split, tmp_path, 7, augment=augment, service=service[1], ahead=ahead))
    while not ahead.count:  # Before any is asked for.
        time.sleep(0.01)
    first = taken(batches, 30)
    service[2].kill()
    rest = taken(batches, 120)
    assert ahead.count >= 150
    ahead.close()
    assert_equal(map(np.concatenate, zip(first, rest, strict=True)), expected)


def test_two_trainers_see_each_image_once_in_an_epoch(dataset, service, tmp_path):
    split = dataset.split("train")
    steps = split.examples // 50
    assert split.examples % 50 == 0
    trainers = [
        taken(stream(split, tmp_path, rows=rows, service=service[1]), steps)
        for rows in ((0, 20), (20, 50))
    ]
    images = np.concatenate([images.reshape(-1, 32 * 32) for images, _ in trainers])
    whole, _ = taken(stream(split, tmp_path), steps)
    np.testing.assert_array_equal(
        np.sort(images.view("V4096"), axis=None),
        np.sort(whole.reshape(-1, 1024).view("V4096"), axis=None),
    )


def test_what_is_fetched_ahead_ends_with_its_error_or_when_it_is_closed():
    def batches():
        yield from range(5)
        raise UserError("the service is gone")

    ahead = served.Ahead()
    arrivals = ahead.start(batches(), 2)
    assert list(itertools.islice(arrivals, 5)) == list(range(5))
    with pytest.raises(UserError, match="the service is gone"):
        next(arrivals)
    assert ahead.count > 10**6  # The error is to be met.
    ahead = served.Ahead()
    arrivals = ahead.start((number for number in range(1000)), 2)
    assert next(arrivals) == 0
    ahead.close()
    assert next(arrivals, None) is None
    assert ahead.count <= 4


def test_where_ports_cannot_be_closed_it_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(loopback, "_OPENED", str(tmp_path / "proc"))
    loopback.close_to_others()
    (line,) = capsys.readouterr().err.splitlines()
    assert "ports cannot be closed to other machines" in line


def test_others_are_not_let_in(service):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # Nothing is sent.
        except OSError:
            pytest.skip("this machine has no network")
        own = asked.getsockname()[0]
    port = int(service[1].rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=2).close()
    with pytest.raises(OSError, match="timed out"):
        socket.create_connection((own, port), timeout=0.5)


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("localhost:5050", UsageError, "--data_service=localhost:5050: expected grpc://HOST:PORT"),
        (
            "grpc://127.0.0.1:1",
            UserError,
            "does not answer .*: start it with digitline data_service",
        ),
    ],
)
def test_a_service_that_is_not_there(address, error, message, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(served, "_START_S", 0.1)
    with pytest.raises(error, match=message):
        stream(dataset.split("train"), tmp_path, service=address)


def test_a_stream_of_records_is_refused(dataset, tmp_path):
    with pytest.raises(UsageError, match="use --cache=memory or --cache=file, not off"):
        stream(dataset.split("train"), tmp_path, cache="off", service="grpc://127.0.0.1:1")


def test_a_cache_file_that_the_workers_do_not_see_is_named(dataset, service, tmp_path, monkeypatch):
    monkeypatch.setattr(served.time, "sleep", lambda _: None)
    batches = stream(dataset.split("train"), tmp_path, service=service[1])
    (path,) = tmp_path.glob("*.cache")
    path.unlink()
    with pytest.raises(tf.errors.UnknownError, match=path.name) as raised:
        next(iter(batches))
    assert path.name in str(served.trouble(raised.value))


@pytest.mark.long
def test_sigterm_ends_it(service):
    service[0].terminate()
    assert service[0].wait(20) == 0


def test_a_port_that_is_taken():
    with socket.create_server(("0.0.0.0", 0)) as taken_port:
        port = taken_port.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port}: "):
            call(data_service.COMMAND, [f"--port={port}"])
    with pytest.raises(UsageError, match="--dispatcher=here: expected HOST:PORT"):
        call(data_service.COMMAND, ["--dispatcher=here"])


@pytest.mark.long
def test_training_through_a_service_goes_through_the_same_losses(data_dir, start, tmp_path):
    _, address = start("--port=0", "--workers=2")
    losses = []
    for name, more in (("alone", ()), ("served", (f"--data_service={address}",))):
        flags = ("--dataset=tiny_digits", "--model=softmax", "--epochs=2", "--local_workers=2")
        place = (f"--data_dir={data_dir}", f"--workdir={tmp_path / name}")
        done = digitline("train", *flags, *place, f"--cache_dir={tmp_path / 'cache'}", *more)
        assert done.returncode == 0, done.stderr
        rows = (tmp_path / name / "metrics.jsonl").read_text()
        losses.append([float(loss) for loss in re.findall(r'"loss": ([\d.]+)', rows)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # But for rounding.


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_saves_while_the_service_is_away(workers, number, data_dir, start, tmp_path):
    service, address = start("--port=0")
    words = [sys.executable, "-m", "digitline.cli", "train", "--dataset=tiny_digits",
             "--model=softmax", "--epochs=1e6", "--validation_epochs=1e6", f"--data_dir={data_dir}",
             f"--workdir={tmp_path / 'run'}", "--checkpoint_interval_s=999",
             f"--data_service={address}", f"--local_workers={workers}"]  # fmt: skip
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as trainer:
        lines = iter(trainer.stderr.readline, "")
        next(line for line in lines if "loss" in line)
        service.send_signal(number)
        time.sleep(3)
        begun = time.monotonic()
        trainer.terminate()
        err = trainer.communicate(timeout=60)[1]
        assert time.monotonic() - begun < 30, err
    assert trainer.returncode == 143, err
    step = re.search(r"SIGTERM at step ([\d,]+)", err.splitlines()[-1])[1]
    saved = max((tmp_path / "run" / "checkpoints").glob("ckpt-*.json"))
    assert saved.stem == f"ckpt-{step.replace(',', '')}"
    service.kill()

"""Several workers: real processes on this machine."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from digitline.base.errors import UsageError, UserError
from digitline.base.tf import tf
from digitline.models import train
from digitline.models.training.devices import local, strategy
from digitline.models.training.devices.workers import Workers
from digitline.models.training.interrupts import Interrupts

from support import call, quick_arguments


def test_no_step_is_begun_that_is_not_ready():
    workers, interrupts = Workers(tf.distribute.get_strategy()), Interrupts()
    ready = iter([0, 0, 3])
    assert workers.agree_on(5, interrupts, lambda: next(ready)) == (3, False)
    assert workers.agree_on(2, interrupts, lambda: 3) == (2, False)
    assert workers.agree_on(0, interrupts, lambda: 0) == (0, False)
    interrupts.number = signal.SIGTERM  # Heard although nothing is ready.
    assert workers.agree_on(5, interrupts, lambda: 0) == (0, True)


def test_who_did_not_join_in_time_is_named():
    late = "\n/job:worker/replica:0/task:1\n/job:worker/replica:0/task:3\n"
    first = "Barrier timed out. The first task at the barrier: /job:worker/replica:0/task:0. "
    error = tf.errors.DeadlineExceededError(
        None, None, f"{first}Some timed out task names:{late}\nMore: /job:worker/replica:0/task:0"
    )
    assert strategy._why(error) == "too late, or gone: worker 1, 3"
    assert strategy._why(ValueError("no server")) == "no server"


def assert_follows(run, other, tolerance):
    for one, another in zip(run.weights, other.weights, strict=True):
        np.testing.assert_allclose(one, another, atol=tolerance)


def test_two_follow_one_and_their_checkpoint_resumes_on_one(
    unbroken, all_options, train_here, capfd
):
    flags = (*all_options, "--checkpoint_interval_s=0", "--cache=file")
    run = train_here("run", *flags, "--local_workers=2")
    assert_follows(run, unbroken, 1e-4)
    assert {path.name for path in run.workdir.iterdir()} - {"cache"} == {
        path.name for path in unbroken.workdir.iterdir()
    }
    for row, expected in zip(run.rows, unbroken.rows, strict=True):
        for name in ("loss", "accuracy", "gradient_norm", "weight_norm"):
            assert row[name] == pytest.approx(expected[name], rel=1e-3), name
    assert run.result["worker"] == 0
    err = capfd.readouterr().err
    assert "2 workers by TF_CONFIG, 1 device each" in err
    assert ", 50 images of a batch on a device (multi_worker)" in err

    run.run.model.unlink()  # As if it had been killed before the last steps.
    for path in run.run.checkpoints.glob("ckpt-32*"):
        path.unlink()
    assert train_here("run", *flags).result["resumed_from"] == 28
    assert_follows(run, unbroken, 1e-4)


@pytest.mark.long
def test_what_is_wrong_is_said_once(data_dir, tmp_path, capfd):
    arguments = quick_arguments(data_dir, tmp_path / "run", "--batch_size=1", "--local_workers=2")
    with pytest.raises(UsageError, match="--batch_size=1 cannot be shared out among 2 devices"):
        call(train.COMMAND, arguments)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.long
def test_three_follow_one_over_200_steps(train_here, all_options):
    flags = (*all_options, "--batch_size=64", "--epochs=12", "--cache=off")
    one = train_here("one", *flags)
    assert one.result["steps"] > 200
    assert_follows(train_here("three", *flags, "--local_workers=3"), one, 1e-3)


@pytest.mark.long
def test_the_chief_prepares_images_of_ones_own(tmp_path, capfd):
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 12)).astype(np.uint8)
    np.savez(tmp_path / "toy.npz", images=images, labels=np.arange(60) % 3)
    arguments = [
        "--model=softmax", f"--data={tmp_path / 'toy.npz'}", f"--data_dir={tmp_path / 'data'}",
        f"--workdir={tmp_path / 'run'}", "--max_steps=2", "--batch_size=8", "--local_workers=2",
    ]  # fmt: skip
    assert call(train.COMMAND, arguments)["dataset"] == "toy"
    assert call(train.COMMAND, arguments)["reused"]
    damaged = tmp_path / "toy.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(UserError, match=r"^(?!worker).*toy\.npz"):  # It is the chief's own.
        call(train.COMMAND, arguments)
    assert "Traceback" not in capfd.readouterr().err


def test_a_process_that_ends_before_it_has_joined_ends_all(capfd):
    begun = time.monotonic()
    with pytest.raises(UserError, match="worker 1 of 3 ended by SIGKILL, and the others with it"):
        local.run("meeting_workers", 1, 3)
    assert time.monotonic() - begun < 30
    assert "Traceback" not in capfd.readouterr().err


def start(number, arguments, indices=None):
    hosts = [f"127.0.0.1:{port}" for port in local.free_ports(number)]
    for index in range(number) if indices is None else indices:
        config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        yield subprocess.Popen(
            [sys.executable, "-m", "digitline.cli", "train", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_CONFIG": json.dumps(config)},
        )


def ended(process, seconds):
    """Its exit status and its last line."""
    out = process.communicate(timeout=seconds)[0]
    assert "Traceback" not in out
    return process.returncode, out.splitlines()[-1]


@pytest.mark.parametrize("alone", [1, pytest.param(0, marks=pytest.mark.long)])
def test_who_does_not_come_is_named(alone, data_dir, tmp_path):
    arguments = quick_arguments(data_dir, tmp_path / "run", "--join_minutes=0.01")
    (worker,) = start(2, arguments, [alone])
    with worker:
        status, line = ended(worker, 120)
    assert status == 1
    assert re.search(rf"worker {1 - alone} \(127.0.0.1:\d+\) did not come within 0.6 s", line)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_signal_ends_the_waiting(data_dir, tmp_path):
    arguments = quick_arguments(data_dir, tmp_path / "run")
    (worker,) = start(2, arguments, [0])
    with worker:
        while "waits for worker 1" not in worker.stdout.readline():  # After ten seconds.
            assert worker.poll() is None
        worker.terminate()
        status, line = ended(worker, 20)
    assert (status, "SIGTERM while waiting for worker 1" in line) == (143, True)


FOREVER = ("--max_steps=1000000", "--epochs=1e6", "--checkpoint_interval_s=1",
           "--validation_epochs=5", "--schedule=constant", "--warmup=0")  # fmt: skip


def wait_for_a_checkpoint(run):
    end = time.monotonic() + 120
    while not list(run.glob("checkpoints/ckpt-*.json")):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.long
@pytest.mark.parametrize("who", [0, 1])
def test_a_worker_that_stands_still_ends_the_others(who, data_dir, tmp_path):
    """As one whose machine or network is lost."""
    workers = list(start(2, quick_arguments(data_dir, tmp_path / "run", *FOREVER)))
    try:
        wait_for_a_checkpoint(tmp_path / "run")
        workers[who].send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        status, line = ended(workers[1 - who], 90)
        assert time.monotonic() - begun < 60
        assert (status, "has ended or cannot be reached" in line) == (1, True), line
        workers[who].send_signal(signal.SIGCONT)
        status, line = ended(workers[who], 90)
        assert (status, "has ended or cannot be reached" in line) == (1, True), line
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.long
@pytest.mark.parametrize(
    ("who", "number", "status", "said"),
    [
        (1, signal.SIGKILL, 1, "worker 1 of 2 has ended or cannot be reached"),
        (0, signal.SIGKILL, 1, r"worker 0 (the chief) of 2 has ended or cannot be reached"),
        (1, signal.SIGTERM, 143, "SIGTERM at step"),
    ],
)
def test_a_worker_that_ends_ends_the_others(who, number, status, said, data_dir, tmp_path):
    arguments = quick_arguments(data_dir, tmp_path / "run", *FOREVER)
    workers = list(start(2, arguments))
    try:
        wait_for_a_checkpoint(tmp_path / "run")
        workers[who].send_signal(number)
        out = workers[1 - who].communicate(timeout=60)[0]
    finally:
        for worker in workers:
            worker.kill()
    assert workers[1 - who].returncode == status, out
    assert said in out.splitlines()[-1]
    assert "Traceback" not in out
    shorter = [*arguments, "--max_minutes=0.01"]  # The same command goes on, here on one.
    assert call(train.COMMAND, shorter)["resumed_from"] > 0

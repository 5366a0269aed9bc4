"""Several workers: real processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from digitline.base.errors import UsageError
from digitline.models import train
from digitline.models.training.devices import local

from support import call, quick_arguments


def assert_follows(run, other, tolerance):
    for one, another in zip(run.weights, other.weights, strict=True):
        np.testing.assert_allclose(one, another, atol=tolerance)


def test_two_follow_one_and_their_checkpoint_resumes_on_one(
    unbroken, all_options, train_here, capfd
):
    flags = (*all_options, "--checkpoint_interval_s=0")
    run = train_here("run", *flags, "--local_workers=2")
    assert_follows(run, unbroken, 1e-4)
    assert {path.name for path in run.workdir.iterdir()} == {
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


def start(number, arguments):
    hosts = [f"127.0.0.1:{port}" for port in local.free_ports(number)]
    for index in range(number):
        config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        yield subprocess.Popen(
            [sys.executable, "-m", "digitline.cli", "train", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TF_CONFIG": json.dumps(config)},
        )


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
    flags = ("--max_steps=1000000", "--epochs=1e6", "--checkpoint_interval_s=1",
             "--validation_epochs=5", "--schedule=constant", "--warmup=0")  # fmt: skip
    arguments = quick_arguments(data_dir, tmp_path / "run", *flags)
    workers = list(start(2, arguments))
    try:
        end = time.monotonic() + 120
        while not list(tmp_path.glob("run/checkpoints/ckpt-*.json")):
            assert time.monotonic() < end
            time.sleep(0.1)
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

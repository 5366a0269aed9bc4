"""Runs in an object store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import stores

from digitline.base import addresses
from digitline.base.errors import UserError
from digitline.base.storage import lease, staging, writing
from digitline.base.storage.store import Store, StoreError
from digitline.models import evaluate, train
from digitline.models.run.folder import Run

from support import call, quick_arguments


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "LOOK_S", 0.05)
    monkeypatch.setattr("digitline.base.storage.patience.FIRST_PAUSE_S", 0.01)


def weights(workdir):
    return Run(workdir).load()[1].get_weights()


def names(s3):
    return set(staging.listing(addresses.local(s3)))


def test_a_run_in_a_bucket_is_the_run_on_a_disk(s3, data_dir, tmp_path, monkeypatch, capsys):
    """The store refuses now and then, and what is here is lost in the middle."""
    here = tmp_path / "here"
    call(train.COMMAND, quick_arguments(data_dir, here))
    upload, calls = Store.upload, []

    def flaky(self, source, name):
        calls.append(name)
        if len(calls) in (2, 3, 7):
            raise StoreError(f"{s3}/{name}: cannot be written: 503 slow down")
        upload(self, source, name)

    monkeypatch.setattr(Store, "upload", flaky)
    arguments = quick_arguments(data_dir, s3, "--checkpoint_interval_s=0")
    with monkeypatch.context() as patch:
        steps = []

        def stop_after(workdir):
            writing.saved(workdir)
            steps.append(1)
            if len(steps) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        patch.setattr("digitline.models.training.loop.saved", stop_after)
        with pytest.raises(UserError, match=rf"the state is saved in .*{tmp_path.name}"):
            call(train.COMMAND, arguments)
    assert "503 slow down; trying again" in capsys.readouterr().err
    assert "model.keras" not in names(s3)
    assert not any("lease" in name for name in Store(s3).listing())
    shutil.rmtree(tmp_path / "cache")  # As on another machine.
    resumed = call(train.COMMAND, arguments)
    assert resumed["resumed_from"] > 0
    assert {"config.json", "model.keras", "training.json", "evaluation.json"} <= names(s3)
    shutil.rmtree(tmp_path / "cache")
    evaluated = call(evaluate.COMMAND, [f"--workdir={s3}"])
    assert not any("checkpoints" in name for name in staging.files_in(addresses.local(s3)))
    for own, other in zip(weights(here), weights(addresses.local(s3)), strict=True):
        np.testing.assert_array_equal(own, other)
    recorded = json.loads(Store(s3).read("evaluation.json"))
    assert recorded["test"]["accuracy"] == evaluated["accuracy"]
    for name in names(s3) - {name for name in names(s3) if "checkpoints" in name}:
        assert str(tmp_path / "cache").encode() not in Store(s3).read(name)


def test_another_trainer_is_refused(s3, data_dir):
    with (
        lease.held(addresses.local(s3), "training"),
        pytest.raises(UserError, match=f"another process is training in {s3}"),
    ):
        call(train.COMMAND, quick_arguments(data_dir, s3))
    assert names(s3) == set()


@pytest.mark.long
def test_a_store_that_is_away_for_long_ends_the_training(s3, data_dir, monkeypatch):
    def away(*_):
        raise StoreError("cannot be written: away")

    arguments = quick_arguments(data_dir, s3, "--checkpoint_interval_s=0")
    with monkeypatch.context() as patch:
        patch.setattr(Store, "upload", away)
        patch.setattr("digitline.base.storage.patience.LIMIT_S", 0)
        with pytest.raises(UserError, match=r"away; given up after .* run the same command again"):
            call(train.COMMAND, arguments)
    assert names(s3) == set()
    # What was done here goes on, though it never came there.
    assert call(train.COMMAND, arguments)["resumed_from"] > 0
    assert "model.keras" in names(s3)


@pytest.mark.long
def test_a_trainer_is_killed_in_the_middle_of_a_push(s3, s3_server, data_dir, tmp_path):
    with stores.Faults(s3_server) as faults:
        stopped = []

        def answer(method, path):
            if method == "PUT" and "/checkpoints/ckpt-" in path and ".data" in path:
                stopped.append(path)
                return 1.0 if len(stopped) < 3 else 600.0
            return None

        faults.answer = answer
        environment = {**os.environ, **stores.environment(faults.endpoint)}
        arguments = quick_arguments(
            data_dir, s3, "--checkpoint_interval_s=0", "--epochs=2000", "--log_steps=10"
        )
        command = [sys.executable, "-m", "digitline.cli", "train", *map(str, arguments)]
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            try:
                for _ in range(600):
                    if len(stopped) >= 3:
                        break
                    time.sleep(0.1)
            finally:
                process.kill()
    assert len(stopped) >= 3
    there = names(s3)
    assert "model.keras" not in there
    records = [name for name in there if "ckpt-" in name and name.endswith(".json")]
    assert records
    for name in records:
        for file in json.loads(Store(s3).read(name))["sha256"]:
            assert f"checkpoints/{file}" in there
    shutil.rmtree(tmp_path / "cache")
    arguments = [*arguments, "--max_minutes=0.02"]
    assert call(train.COMMAND, arguments)["resumed_from"] > 0
    assert "model.keras" in names(s3)

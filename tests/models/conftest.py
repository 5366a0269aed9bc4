"""What tests of models and of their training share."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from digitline.models import train
from digitline.models.run.folder import Run
from digitline.models.run.metrics_file import MetricsFile

from support import call, quick_arguments

# Everything that has a state: the optimizer's moments, averages, augmentation, a schedule.
ALL = (
    "--optimizer=adamw", "--weight_decay=0.01", "--clip_norm=1", "--ema_decay=0.98",
    "--schedule=one_cycle", "--warmup=0.3", "--augment_shift=2", "--augment_rotate=10",
    "--augment_elastic=1", "--label_smoothing=0.1", "--learning_rate=0.02", "--log_steps=4",
)  # fmt: skip


class Trained(SimpleNamespace):
    """A run folder, with `workdir` and, where it was trained here, `result`."""

    @property
    def run(self):
        return Run(self.workdir)

    @property
    def rows(self):
        return [json.loads(line) for line in self.run.metrics.read_text().splitlines()]

    @property
    def validated(self):
        return [row for row in self.rows if "validation_loss" in row]

    @property
    def weights(self):
        return self.run.load()[1].get_weights()

    def assert_same_weights(self, other):
        for one, another in zip(self.weights, other.weights, strict=True):
            np.testing.assert_array_equal(one, another)


@pytest.fixture(scope="session")
def all_options():
    return ALL


@pytest.fixture
def train_here(data_dir, tmp_path):
    """Trains softmax regression on the tiny dataset, in a folder of this test."""

    def trained(name, *more):
        workdir = tmp_path / name
        arguments = quick_arguments(data_dir, workdir, *more)
        return Trained(workdir=workdir, result=call(train.COMMAND, arguments))

    return trained


@pytest.fixture(scope="session")
def quick(data_dir, tmp_path_factory):
    """A finished run of softmax regression. Do not change it."""
    workdir = tmp_path_factory.mktemp("runs") / "quick"
    return Trained(workdir=workdir, result=call(train.COMMAND, quick_arguments(data_dir, workdir)))


@pytest.fixture(scope="session")
def unbroken(data_dir, tmp_path_factory):
    """A finished run with all that has a state, never stopped. Do not change it."""
    workdir = tmp_path_factory.mktemp("runs") / "unbroken"
    arguments = quick_arguments(data_dir, workdir, *ALL)
    return Trained(workdir=workdir, result=call(train.COMMAND, arguments))


@pytest.fixture
def stop_at_row(monkeypatch):
    """Does something when this many rows are logged; later sessions are left alone."""

    def stop(count, action):
        log, rows = MetricsFile.append, []

        def log_and_act(self, row):
            log(self, row)
            rows.append(row)
            if len(rows) == count:
                action()

        monkeypatch.setattr(MetricsFile, "append", log_and_act)

    return stop

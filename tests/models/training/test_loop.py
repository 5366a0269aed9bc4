"""How a run trains and ends."""

import json
import shutil

import pytest

from digitline.base.errors import DataError, UsageError, UserError
from digitline.models import train
from digitline.models.run.folder import Run
from digitline.models.training import loop

from support import call, damage, python, quick_arguments, train_arguments

# A rate at which the accuracy goes up and down.
RESTLESS = ("--learning_rate=0.3", "--schedule=constant", "--warmup=0")


def test_metrics_hold_every_epoch(trained):
    lines = Run(trained.workdir).metrics.read_text().splitlines()
    rows = list(map(json.loads, lines))
    assert rows[-1]["step"] == trained.result["steps"] == round(3 * 1081 / 64)
    assert [row["epoch"] for row in rows] == sorted(row["epoch"] for row in rows)
    validated = [row for row in rows if "validation_accuracy" in row]
    assert len(validated) == 3
    assert validated[-1]["loss"] < validated[0]["loss"]
    assert all(row["images_per_s"] > 0 for row in rows)


def test_rows_hold_rate_and_norms(unbroken):
    rows = unbroken.rows
    assert [row["step"] for row in rows if row["step"] % 4 == 0] == list(range(4, 33, 4))
    assert max(row["learning_rate"] for row in rows) == pytest.approx(0.02, rel=0.15)
    assert rows[-1]["learning_rate"] > 0  # The last step's, not that of the one after.
    for row in rows:
        assert 0 < row["gradient_norm"] < 100
        assert 0 < row["weight_norm"] < 100
    assert unbroken.result["validation_accuracy"] > 0.6


def test_the_same_seed_gives_the_same_weights_however_the_steps_are_cut(
    quick, train_here, monkeypatch
):
    monkeypatch.setattr(loop, "_MOST_STEPS", 2)
    quick.assert_same_weights(train_here("a", "--log_steps=11"))
    with pytest.raises(AssertionError, match="not equal"):
        quick.assert_same_weights(train_here("b", "--seed=1"))


def test_selects_the_best_weights(train_here):
    run = train_here("run", "--epochs=8", "--select=best", *RESTLESS)
    best = max(row["validation_accuracy"] for row in run.validated)
    assert run.result["validation_accuracy"] == best
    assert run.result["best"]["validation_accuracy"] == best
    assert run.result["best"]["step"] in [
        row["step"] for row in run.validated if row["validation_accuracy"] == best
    ]


def test_patience_counts_from_the_lowest_loss_and_selects_the_best_weights(train_here):
    run = train_here("run", "--epochs=60", "--patience=3", *RESTLESS)
    losses = [row["validation_loss"] for row in run.validated]
    assert run.result["ended_by"] == "patience"
    assert len(losses) - 1 - losses.index(min(losses)) == 3
    assert run.result["validation_accuracy"] == max(
        row["validation_accuracy"] for row in run.validated
    )


def test_patience_ends_a_run_that_no_longer_improves(train_here):
    more = ("--epochs=40", "--learning_rate=0", "--patience=3")
    run = train_here("run", *more)
    assert run.result["ended_by"] == "patience"
    assert run.rows[-1]["epoch"] == pytest.approx(4, abs=0.1)
    assert train_here("run", *more).result["reused"]


def test_limits_of_steps_and_minutes(train_here):
    result = train_here("a", "--max_steps=7").result
    assert (result["steps"], result["ended_by"]) == (7, "max_steps")
    run = train_here("b", "--epochs=1e6", "--max_steps=0", "--max_minutes=0.01")
    assert run.result["ended_by"] == "max_minutes"
    assert 0.6 <= run.result["seconds"] < 10
    assert run.rows[-1]["validation_accuracy"] == run.result["validation_accuracy"]


def test_validation_reads_again_where_images_are_not_held(train_here):
    losses = {
        cache: [
            row["validation_loss"]
            for row in train_here(
                cache, f"--cache={cache}", "--epochs=2", "--learning_rate=0"
            ).validated
        ]
        for cache in ("memory", "off")
    }
    assert len(losses["off"]) == 2
    assert losses["off"] == losses["memory"]


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_other_optimizers_train_too(optimizer, train_here):
    rate = {"sgd": 0.05, "rmsprop": 0.002}[optimizer]
    more = (f"--optimizer={optimizer}", f"--learning_rate={rate}", "--label_smoothing=0.05")
    assert train_here("run", *more).result["validation_accuracy"] > 0.6


def test_a_loss_that_is_not_finite_stops_at_its_step(train_here, tmp_path):
    more = ("--optimizer=sgd", "--learning_rate=1e38", "--schedule=constant", "--warmup=0")
    with pytest.raises(
        UserError, match=r"the loss is nan at step \d+: training diverged \(norm of the gradients"
    ):
        train_here("run", *more)
    assert not Run(tmp_path / "run").finished


def test_a_last_step_that_diverges_is_found_by_the_validation(data_dir, tmp_path):
    more = ("--optimizer=sgd", "--learning_rate=1e38", "--schedule=constant", "--warmup=0",
            "--max_steps=1")  # fmt: skip
    with pytest.raises(UserError, match=r"the validation loss is nan at step 1: .* of the weights"):
        call(train.COMMAND, train_arguments(data_dir, tmp_path / "run", *more))
    assert not Run(tmp_path / "run").finished


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_names_a_corrupt_shard(cache, data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "data")
    shard = damage(tmp_path / "data", "train", 200)
    with pytest.raises(DataError, match=rf"{shard}, record 200"):
        call(
            train.COMMAND,
            quick_arguments(tmp_path / "data", tmp_path / "run", f"--cache={cache}"),
        )


def test_tensorboard_says_what_to_install_or_writes(train_here, tmp_path):
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match=r"pip install 'digitline\[tensorboard\]'"):
            train_here("run", "--tensorboard")
    else:
        train_here("run", "--tensorboard")
        assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents*"))


# Three logical processors stand for three GPUs.
MIRRORED = """
import sys, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
from digitline.models import train
from digitline.base import command
command.main(train.COMMAND, ["digitline train", *sys.argv[1:]])
"""


@pytest.mark.long
def test_three_replicas_train_as_one(unbroken, all_options, data_dir, tmp_path):
    arguments = quick_arguments(data_dir, tmp_path / "run", *all_options, "--strategy=mirrored")
    done = python(MIRRORED, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ", 33 or 34 images of a batch on a device (mirrored)" in done.stderr
    replicas = type(unbroken)(workdir=tmp_path / "run")
    for one, other in zip(unbroken.weights, replicas.weights, strict=True):
        assert abs(one - other).max() < 1e-4


def test_float64_trains_and_leaves_a_model_of_float32(train_here):
    run = train_here("run", "--dtype=float64")
    assert run.result["validation_accuracy"] > 0.6
    assert {str(weights.dtype) for weights in run.weights} == {"float32"}


def test_xla_trains_as_without(quick, train_here):
    compiled = train_here("run", "--xla")
    for one, other in zip(quick.weights, compiled.weights, strict=True):
        assert abs(one - other).max() < 1e-4

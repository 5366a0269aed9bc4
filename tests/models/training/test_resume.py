"""A run that is stopped, in whatever way, resumes to the bits of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from digitline.base.tf import keras
from digitline.models import softmax, train
from digitline.models.run.folder import Run
from digitline.models.training.interrupts import Stopped

from support import TESTDATA, call, quick_arguments


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.long)])
def test_a_run_killed_at_any_moment(kills, unbroken, data_dir, tmp_path, all_options, capsys):
    workdir = tmp_path / "killed [1]*?"
    arguments = quick_arguments(data_dir, workdir, *all_options, "--checkpoint_interval_s=0")
    for _ in range(kills):
        metrics, checkpoints = Run(workdir).metrics, Run(workdir).checkpoints
        before = metrics.stat().st_size if metrics.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-m", "digitline.cli", "train", *arguments, "--log_steps=1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            has_grown = metrics.exists() and metrics.stat().st_size > before
            if has_grown and any(checkpoints.glob("ckpt-*.json")):
                break
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL  # It was still training.
    resumed = type(unbroken)(workdir=workdir, result=call(train.COMMAND, arguments))
    assert f"resuming {workdir} at step" in capsys.readouterr().err
    unbroken.assert_same_weights(resumed)
    steps = [row["step"] for row in resumed.rows]
    assert steps == sorted(set(steps))  # None twice, none missing.
    assert steps[-1] == unbroken.result["steps"]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.long)],
)
def test_a_signal_saves_the_state(
    number, code, unbroken, train_here, tmp_path, all_options, stop_at_row, capsys
):
    stop_at_row(3, lambda: os.kill(os.getpid(), number))
    before = signal.signal(number, signal.default_int_handler)  # Background jobs ignore Ctrl-C.
    try:
        with pytest.raises(Stopped, match=r"the state is saved in .*; the same command") as end:
            train_here("run", *all_options, "--checkpoint_interval_s=999")
    finally:
        signal.signal(number, before)
    assert end.value.exit_code == code
    resumed = train_here("run", *all_options)
    assert f"resuming {tmp_path / 'run'} at step 11 of" in capsys.readouterr().err
    assert resumed.result["resumed_from"] == 11
    unbroken.assert_same_weights(resumed)


def test_a_damaged_checkpoint_is_passed_over(
    unbroken, train_here, tmp_path, all_options, stop_at_row, capsys
):
    more = ("--checkpoint_interval_s=0", "--keep_checkpoints=3")
    stop_at_row(6, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_here("run", *all_options, *more)
    checkpoints = Run(tmp_path / "run").checkpoints
    newest = max(checkpoints.glob("ckpt-*.json"), key=lambda path: path.stat().st_mtime)
    data = newest.with_name(f"{newest.stem}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:-1])
    resumed = train_here("run", *all_options)
    said = capsys.readouterr().err
    assert f"the checkpoint {newest.with_suffix('')} is damaged" in said
    assert "using the checkpoint before it" in said
    unbroken.assert_same_weights(resumed)


@pytest.mark.long
def test_dropout_and_regularizers(train_here, monkeypatch, stop_at_row):
    def build(input_shape, num_classes):
        layers = keras.layers
        inputs = keras.Input(input_shape)
        x = layers.Dropout(0.4)(layers.Flatten()(inputs))
        x = layers.Dense(16, "relu", kernel_regularizer=keras.regularizers.L2(0.1))(x)
        x = layers.BatchNormalization()(x)
        return keras.Model(inputs, layers.Dense(num_classes)(x))

    monkeypatch.setattr(softmax, "build", build)
    more = ("--log_steps=4", "--checkpoint_interval_s=0", "--epochs=1")
    whole = train_here("whole", *more)
    stop_at_row(2, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_here("cut", *more)
    resumed = train_here("cut", *more)
    assert resumed.result["resumed_from"] > 0
    whole.assert_same_weights(resumed)


def test_a_run_of_the_version_before_options(data_dir, tmp_path, capsys):
    """Its recipe has `average` and `keep`; it was stopped after 11 steps of 33."""
    workdir = shutil.copytree(TESTDATA / "old_run", tmp_path / "run")
    config = Run(workdir).load_config()
    assert (config.recipe.ema_decay, config.recipe.select) == (0.9, "best")
    arguments = [
        "--model=softmax", "--recipe=article", f"--data_dir={data_dir}", "--dataset=tiny_digits",
        f"--workdir={workdir}", "--epochs=3", "--noreport", "--average=0.9", "--keep=best",
        "--batch_size=100", "--learning_rate=0.05",
    ]  # fmt: skip
    result = call(train.COMMAND, arguments)
    said = capsys.readouterr().err
    assert f"resuming {workdir} at step 11 of 33" in said
    assert "--average is now --ema_decay" in said
    # What that version reached.
    assert result["validation_accuracy"] == 0.83
    assert result["validation_loss"] == pytest.approx(1.316068759560585, rel=1e-5)
    recorded = json.loads(Run(workdir).config.read_text())
    assert recorded["recipe"]["average"] == 0.9  # Left as it was.

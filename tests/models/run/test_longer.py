"""A run goes on when it is to be longer."""

import json
import shutil

import pytest

from digitline.base.errors import UsageError, UserError

CONSTANT = ("--schedule=constant", "--warmup=0", "--ema_decay=0.9")


def test_with_a_constant_schedule_it_ends_as_if_it_had_been_longer(train_here, capsys):
    train_here("grown", *CONSTANT, "--epochs=1", "--select=last")
    said = capsys.readouterr().err
    parts = "1,081 images of train[10%: by class], 119 of train[:10% by class] to validate"
    assert f"data     tiny_digits 1.0.0: {parts}\n" in said
    assert "classes  10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\nimages   28x28x1\n" in said
    assert "network  softmax, 7,850 parameters\nrecipe   article, with optimizer=adam" in said
    assert "steps    11 of 100 images, 1 epochs\ndevice   " in said
    grown = train_here("grown", *CONSTANT, "--epochs=2")
    assert not grown.result["reused"]
    said = capsys.readouterr().err
    assert said.startswith("data ")
    assert "/grown goes on from step 11: --epochs=2 (22 steps), no longer --epochs=1 (11" in said
    whole = train_here("whole", *CONSTANT, "--epochs=2")
    grown.assert_same_weights(whole)
    assert grown.result["validation_loss"] == whole.result["validation_loss"]
    config = json.loads(grown.run.config.read_text())
    assert config["extended"] == [{"step": 11, "epochs": 1.0, "max_steps": 1000}]
    assert (grown.workdir / "model-11.keras").exists()
    assert train_here("grown", *CONSTANT, "--epochs=2").result["reused"]


def test_a_schedule_that_depends_on_the_length_needs_the_flag(train_here, capsys):
    before = train_here("run", "--epochs=1").run.model.read_bytes()
    with pytest.raises(UsageError, match=r"cosine, warm-up 0.1\) depends .* --extend goes on from"):
        train_here("run", "--epochs=2")
    with pytest.raises(UsageError, match=r"--epochs=1 \(11 steps\), and it is not made shorter"):
        train_here("run", "--epochs=0.5", "--extend")
    with pytest.raises(UsageError, match=r"holds another run \(recipe.learning_rate"):
        train_here("run", "--epochs=2", "--learning_rate=1", "--extend")
    with pytest.raises(UsageError, match=r"--max_steps=1000 \(11 steps\), .*--max_steps=5 \(5 st"):
        train_here("run", "--epochs=1", "--max_steps=5")
    # Which of the limits it is that ends it makes no other run.
    train_here("run", "--epochs=2", "--max_steps=11")
    run = train_here("run", "--epochs=1")
    assert run.result["reused"]
    assert run.run.model.read_bytes() == before
    longer = train_here("run", "--epochs=2", "--extend", "--log_steps=1")
    assert "the schedule is stretched: from here on" in capsys.readouterr().err
    rates = {row["step"]: row["learning_rate"] for row in longer.rows}
    assert max(rates[11], rates[22]) < 1e-4 < 1e-3 < rates[12]
    assert train_here("run", "--epochs=2").result["reused"]
    again = train_here("run", "--epochs=1", "--overwrite")
    assert not list(again.workdir.glob("model-*.keras"))


@pytest.mark.long
def test_a_stretched_run_that_is_killed_resumes_to_the_same_bits(train_here, stop_at_row):
    for name in ("unbroken", "killed"):
        train_here(name, "--epochs=1")
    unbroken = train_here("unbroken", "--epochs=2", "--extend")

    def kill():
        raise KeyboardInterrupt

    stop_at_row(1, kill)
    with pytest.raises(KeyboardInterrupt):
        train_here("killed", "--epochs=2", "--extend", "--log_steps=5", "--checkpoint_interval_s=0")
    train_here("killed", "--epochs=2").assert_same_weights(unbroken)


@pytest.mark.long
def test_more_time(train_here):
    short = train_here("run", "--max_minutes=1e-4", "--log_steps=1")
    assert short.result["ended_by"] == "max_minutes"
    assert train_here("run", "--max_minutes=1e-5").result["reused"]
    assert train_here("run").result["ended_by"] == "epochs"
    train_here("run").assert_same_weights(train_here("whole"))


def test_without_checkpoints_there_is_nothing_to_go_on_from(train_here):
    run = train_here("run", *CONSTANT, "--max_steps=2")
    shutil.rmtree(run.run.checkpoints)
    with pytest.raises(UserError, match="holds no checkpoint to go on from: --init_from="):
        train_here("run", *CONSTANT, "--max_steps=3")
    assert run.run.finished

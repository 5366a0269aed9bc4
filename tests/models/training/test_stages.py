"""A pretrained network: its head on features, then the whole; stopped and resumed in either."""

import json

import numpy as np
import pytest

from digitline.base.errors import UsageError
from digitline.models import train
from digitline.models.run.folder import Run
from digitline.models.training import loop
from digitline.models.training.interrupts import Stopped

from support import call, perform


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """24 images 8x8 of two classes, which are told by their colour."""
    folder = tmp_path_factory.mktemp("things")
    random, labels = np.random.default_rng(0), np.arange(24) % 2
    images = random.integers(0, 90, (24, 8, 8, 3))
    images[labels == 1] += 140
    np.savez(folder / "things.npz", images=images.astype(np.uint8), labels=labels,
             label_names=["cat", "dog"])  # fmt: skip
    return folder


def arguments(things, workdir, *more):
    return [
        "--model=efficientnet_lite0", f"--data={things / 'things.npz'}", f"--data_dir={things}",
        "--validation_fraction=0.25", "--test_fraction=0.1", "--batch_size=8", "--max_steps=9",
        f"--workdir={things / workdir}", "--noreport", "--select=last", *more,
    ]  # fmt: skip


HEAD = ("--epochs=2",)
TWO_STAGES = ("--epochs=3", "--fine_tune_epochs=2", "--views=2")


@pytest.fixture(scope="module")
def whole(things):
    """A run of both stages."""
    call(train.COMMAND, arguments(things, "whole", *TWO_STAGES))
    return Run(things / "whole")


@pytest.fixture(scope="module")
def head(things):
    """A run of the first stage."""
    call(train.COMMAND, arguments(things, "head", *HEAD))
    return Run(things / "head")


@pytest.mark.long
def test_the_head_learns_first_and_then_the_whole(whole, head, things):
    rows = [json.loads(line) for line in whole.metrics.read_text().splitlines()]
    record = whole.load_record()
    assert record.steps == 9 == rows[-1]["step"]
    assert [row["step"] for row in rows if "validation_loss" in row][-2:] == [6, 9]
    _, model = whole.load()
    assert head.load_record().steps == 4
    _, of_head = head.load()
    pretrained = train_nothing(things)
    names = {"stem": (False, True), "block15_project": (False, True), "logits": (True, True)}
    for name, changed in names.items():
        kernel = pretrained.get_layer(name).get_weights()[0]
        kernels = [each.get_layer(name).get_weights()[0] for each in (of_head, model)]
        assert tuple(not np.array_equal(other, kernel) for other in kernels) == changed, name


def train_nothing(things):
    from digitline.models import efficientnet_lite0
    from digitline.models.pretrained import imagenet, transfer

    model = efficientnet_lite0.build((224, 224, 3), 2)
    transfer.put(model, imagenet.weights())
    return model


@pytest.mark.parametrize(
    ("flags", "unbroken", "step", "steps"),
    [
        pytest.param(HEAD, "head", 2, 4, id="in the only stage"),
        pytest.param(TWO_STAGES, "whole", 4, 9, id="in the first stage", marks=pytest.mark.long),
        pytest.param(TWO_STAGES, "whole", 8, 9, id="in the second", marks=pytest.mark.long),
    ],
)
def test_a_stopped_run_resumes_to_the_same_weights(
    flags, unbroken, step, steps, things, request, monkeypatch, capsys
):
    unbroken, workdir = request.getfixturevalue(unbroken), f"stopped-{step}"
    steps_to_do = loop._Loop._steps_to_do

    def some(self):
        if self._step >= step:
            raise Stopped("enough", 15)
        return min(steps_to_do(self), step - self._step)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Loop, "_steps_to_do", some)
        stop = ("--checkpoint_interval_s=0", *flags)
        with pytest.raises(Stopped):
            perform(train.COMMAND, arguments(things, workdir, *stop))
    call(train.COMMAND, arguments(things, workdir, *flags))
    assert f"resuming {things / workdir} at step {step} of {steps}" in capsys.readouterr().err
    # Of the training and of the validation images; they were not computed again.
    assert len(list((things / workdir / "cache").glob("*.features"))) == 2
    weights = [run.load()[1].get_weights() for run in (unbroken, Run(things / workdir))]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_says_what_is_trained(things, capsys):
    call(train.COMMAND, arguments(things, "dry", "--dry_run", *HEAD, "--views=2"))
    said = capsys.readouterr().err
    assert "the head on features of the pretrained body, 2 views of each image" in said
    assert "looks at 224x224 pixels, and the images are 8x8" in said
    assert not (things / "dry").exists()


@pytest.mark.parametrize("flag", ["--views=2", "--fine_tune_epochs=1"])
def test_refuses_what_only_a_pretrained_network_has(flag, things):
    with pytest.raises(UsageError, match="goes with a pretrained network, which lenet5 is not"):
        perform(train.COMMAND, [*arguments(things, "none", flag), "--model=lenet5"])

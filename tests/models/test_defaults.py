"""Training on few images, and on images unlike MNIST's, with nothing but a network's name."""

import dataclasses
import json

import numpy as np
import pytest

from digitline.base import configs
from digitline.data.dataset import Dataset
from digitline.data.metadata import Metadata
from digitline.data.pipeline.preprocess import Preprocess
from digitline.models import defaults, lenet5, mlp, train
from digitline.models.run.folder import Run

from support import call


@pytest.fixture
def train_own(tmp_path):
    """Trains on dark squares on light paper, left or right."""

    def trained(count, *more, model="mlp", workdir="run", size=12, classes=(0, 1)):
        images = np.full((count, size, size, 3), (230, 220, 180), np.uint8)
        labels = np.arange(count) % 2
        images += np.random.default_rng(0).integers(0, 20, images.shape).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[4:8, 2 + 5 * label : 5 + 5 * label] = 30
        np.savez(tmp_path / "own.npz", images=images, labels=np.array(classes)[labels])
        arguments = [
            f"--model={model}", f"--data={tmp_path / 'own.npz'}", f"--data_dir={tmp_path}",
            f"--workdir={tmp_path / workdir}", "--noreport", *more,
        ]  # fmt: skip
        return call(train.COMMAND, arguments), Run(tmp_path / workdir).load_config()

    return trained


@pytest.mark.parametrize(("classes", "steps"), [((0, 1), 1000), (("cat", "dog"), 2000)])
def test_few_images_get_many_steps_in_small_batches(classes, steps, train_own, capsys):
    result, config = train_own(24, "--max_minutes=0.001", classes=classes)
    assert result["ended_by"] == "max_minutes"
    examples = round(steps * 8 / config.recipe.epochs)
    assert config.recipe.batch_size == 8
    assert config.recipe.total_steps(examples) == pytest.approx(steps, abs=2)
    said = capsys.readouterr().err
    assert f"{examples} training images: batches of 8 and " in said
    assert "steps (the recipe's batches of 128 and 20 epochs would be " in said
    are_things = "mlp has no convolutions and is not made for pictures of things" in said
    assert are_things == (steps == 2000)
    # The same command again finds the run as it is.
    assert train_own(24, "--max_minutes=0.001", classes=classes)[0]["reused"]


def test_flags_stand(train_own, capsys):
    more = ("--epochs=3", "--batch_size=64", "--mean=0.5", "--std=0.25", "--max_steps=5")
    result, config = train_own(24, *more)
    recipe = config.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.mean, recipe.std) == (3, 64, 0.5, 0.25)
    assert result["steps"] == 1
    said = capsys.readouterr().err
    assert "epoch 3.00 of 3:" in said


def test_pixels_are_normalized_by_their_own_mean_and_deviation(train_own):
    _, config = train_own(60, "--max_steps=1")
    assert config.preprocess.mean == config.recipe.mean == pytest.approx(0.79, abs=0.03)
    assert config.preprocess.std == config.recipe.std == pytest.approx(0.2, abs=0.03)
    article = train_own(60, "--max_steps=1", "--recipe=article", workdir="article")[1]
    assert (article.preprocess.mean, article.preprocess.std) == (0, 1)


@pytest.mark.parametrize(("size", "shrinks"), [(63, False), (64, True)])
def test_says_which_network_does_not_shrink_large_images(size, shrinks, train_own, capsys):
    train_own(40, "--max_steps=1", model="lenet5", size=size)
    line = "lenet5 shrinks images of 64x64 to 32x32, and small things in them are lost; --model=con"
    assert (line in capsys.readouterr().err) == shrinks


def test_augmentation_fits_the_size_of_the_images(train_own):
    recipe = train_own(40, "--max_steps=1", "--augment_scale=0", size=56)[1].recipe
    assert (recipe.augment_shift, recipe.augment_scale) == (7.8, 0)
    article = train_own(40, "--max_steps=1", "--recipe=article", workdir="article", size=56)[1]
    assert article.recipe.augment_shift == 0


@pytest.mark.parametrize(("classes", "is_written"), [(("cat", "dog"), False), ((0, 1), True)])
def test_only_what_is_written_has_strokes_that_change(classes, is_written, train_own):
    flags = ("--max_steps=1", "--augment_noise=0.2")
    recipe = train_own(40, *flags, model="lenet5", classes=classes)[1].recipe
    changed = (recipe.augment_stroke, recipe.augment_blur, recipe.augment_contrast)
    assert changed == ((0.7, 0.6, 0.5) if is_written else (0, 0, 0))
    assert recipe.augment_noise == 0.2


COLOUR, GREY = (24, 32, 3), (28, 28, 1)
FOLDER = {"source": {"kind": "image_folder"}}
NPZ = {"source": {"kind": "npz_images"}}
DIGITS = {**FOLDER, "pictures": {"image_shape": list(COLOUR), "digits": True}}


@pytest.mark.parametrize(
    ("names", "shape", "metadata", "flips"),
    [
        ("cat dog", COLOUR, NPZ, True),
        ("cat dog", COLOUR, {}, True),
        ("cat dog", GREY, FOLDER, True),
        ("cat dog", GREY, NPZ, False),
        ("cat dog", COLOUR, DIGITS, False),
        ("0 1", COLOUR, {}, False),
        ("b d", GREY, FOLDER, False),
        ("digit_3 digit_8", COLOUR, FOLDER, False),
        ("arrow-left arrow-right", COLOUR, FOLDER, False),
        ("Three Four", COLOUR, FOLDER, False),
    ],
)
def test_flips_and_turns_only_what_stays_of_its_class(names, shape, metadata, flips, tmp_path):
    known = configs.from_config(Metadata, metadata)
    dataset = Dataset("own", tmp_path, shape, "raw", tuple(names.split()), None, known)
    recipe = dataclasses.replace(
        mlp.RECIPES["best"], **defaults.augmentation(mlp.RECIPES["best"], dataset)
    )
    assert (recipe.augment_flip, recipe.augment_rotate) == ((True, 36) if flips else (False, 10))


@pytest.mark.long
def test_a_run_of_the_last_release_goes_on_as_it_is_and_longer(train_own, tmp_path, monkeypatch):
    """It was not fitted to its data, was resized in another way, and lay in runs/<model>."""
    monkeypatch.chdir(tmp_path)
    train_own(60, "--max_steps=1", model="lenet5", workdir="runs/lenet5", size=40)
    run = Run(tmp_path / "runs/lenet5")
    recipe = dataclasses.replace(lenet5.RECIPES["best"], max_steps=1)
    preprocess = Preprocess((40, 40, 3), 32, 32, "resize", recipe.mean, recipe.std)
    old = dataclasses.replace(
        run.load_config(), recipe=recipe, preprocess=preprocess, recorded_pictures=None
    ).to_config()
    for name in ("flip", "blur", "contrast", "noise"):
        del old["recipe"][f"augment_{name}"]
    del old["recorded_pictures"], old["init_sha256"]
    run.config.write_text(json.dumps(old))
    resumed = [f"--data={tmp_path / 'own.npz'}", f"--data_dir={tmp_path}", "--model=lenet5"]
    again = call(train.COMMAND, [*resumed, "--noreport", "--max_steps=1"])
    assert (again["reused"], again["workdir"]) == (True, "runs/lenet5")
    for _ in range(2):
        longer = [*resumed, "--workdir=runs/lenet5", "--noreport", "--max_steps=3", "--extend"]
        result = call(train.COMMAND, longer)
        assert (result["steps"], run.load_config().preprocess) == (3, preprocess)
    assert result["reused"]


def test_what_is_saved_after_few_steps_is_what_was_learnt(train_own):
    """Moving averages of 40 steps say nothing yet: the model would answer one class for all."""
    more = ("--max_steps=40", "--learning_rate=0.02", "--batch_size=32")
    result, _ = train_own(200, *more, model="tiny")
    assert result["validation_accuracy"] > 0.9

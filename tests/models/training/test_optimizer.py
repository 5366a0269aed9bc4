import numpy as np
import pytest

from digitline.base.tf import keras
from digitline.models import recipe as recipes
from digitline.models.recipe import Recipe
from digitline.models.training.optimizer import make_optimizer, make_schedule


def rates(recipe, steps):
    schedule = make_schedule(recipe, steps, examples=640)
    return [float(schedule(step)) for step in range(steps + 1)]


def test_warmup_climbs_to_the_peak_and_cosine_falls_to_zero():
    found = rates(Recipe(learning_rate=0.1, schedule="cosine", warmup=0.2), 100)
    assert found[0] == 0
    assert found[10] == pytest.approx(0.05)
    assert found[20] == pytest.approx(0.1)
    assert found[60] == pytest.approx(0.05)
    assert found[100] == pytest.approx(0, abs=1e-6)


def test_cosine_without_warmup_starts_at_the_peak():
    found = rates(Recipe(learning_rate=0.1, schedule="cosine"), 100)
    assert found[0] == pytest.approx(0.1)
    assert found[50] == pytest.approx(0.05)


def test_constant_with_warmup_stays_at_the_peak():
    found = rates(Recipe(learning_rate=0.1, warmup=0.1), 100)
    assert found[5] == pytest.approx(0.05)
    assert found[10:] == pytest.approx([0.1] * 91)
    assert make_schedule(Recipe(learning_rate=0.1), 100, 640) == 0.1


def test_one_cycle_climbs_from_a_25th_and_falls_to_zero_in_lines():
    found = rates(Recipe(learning_rate=0.1, schedule="one_cycle", warmup=0.2), 100)
    assert found[0] == pytest.approx(0.004)
    assert found[10] == pytest.approx(0.052)
    assert found[20] == pytest.approx(0.1)
    assert found[60] == pytest.approx(0.05)
    assert found[100] == pytest.approx(0, abs=1e-6)


def test_steps_fall_after_whole_epochs():
    recipe = Recipe(
        learning_rate=0.1, schedule="step", decay_rate=0.5, decay_epochs=2, batch_size=64
    )
    found = rates(recipe, 60)  # 640 images: an epoch is ten steps.
    assert found[:20] == pytest.approx([0.1] * 20)
    assert found[20:40] == pytest.approx([0.05] * 20)
    assert found[40] == pytest.approx(0.025)


def variables():
    kernel = keras.Variable(np.full((3, 2), 2.0, np.float32), name="kernel")
    bias = keras.Variable(np.full(2, 2.0, np.float32), name="bias")
    return [kernel, bias]


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_optimizers_go_downhill(name):
    found = variables()
    recipe = Recipe(optimizer=name, learning_rate=0.25, weight_decay=1e-4)
    optimizer = make_optimizer(recipe, 10, 640, found)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == 0.25
    optimizer.apply([keras.ops.ones((3, 2)), keras.ops.ones((2,))], found)
    assert all((variable.numpy() < 2).all() for variable in found)


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_weight_decay_takes_its_share_of_kernels_alone(name):
    found = variables()
    recipe = Recipe(optimizer=name, learning_rate=0.25, weight_decay=0.1)
    optimizer = make_optimizer(recipe, 10, 640, found)
    optimizer.apply([keras.ops.zeros((3, 2)), keras.ops.zeros((2,))], found)
    np.testing.assert_allclose(found[0].numpy(), 2 * (1 - 0.25 * 0.1), rtol=1e-6)
    np.testing.assert_array_equal(found[1].numpy(), 2)


def test_gradients_are_clipped_by_their_global_norm():
    found = variables()
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=2.0)
    optimizer = make_optimizer(recipe, 10, 640, found)
    optimizer.apply([keras.ops.full((3, 2), 30.0), keras.ops.full((2,), 40.0)], found)
    moved = [2 - variable.numpy() for variable in found]
    norm = np.sqrt(6 * 30**2 + 2 * 40**2)
    np.testing.assert_allclose(moved[0], 30 * 2 / norm, rtol=1e-5)
    np.testing.assert_allclose(moved[1], 40 * 2 / norm, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_updates_in_one_kernel_are_kerass_own(name):
    recipe = Recipe(optimizer=name, learning_rate=0.1, weight_decay=0.1 * (name == "adamw"))
    ours, theirs = variables(), variables()
    fused = make_optimizer(recipe, 10, 640, ours)
    plain = getattr(keras.optimizers, type(fused).__name__).from_config(fused.get_config())
    plain.exclude_from_weight_decay(var_list=theirs[1:])
    for step in range(5):
        gradients = [keras.ops.full((3, 2), step - 1.5), keras.ops.full((2,), 0.1 * step)]
        fused.apply(gradients, ours)
        plain.apply(gradients, theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)

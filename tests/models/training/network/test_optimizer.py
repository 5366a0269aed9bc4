import numpy as np
import pytest

from digitline.base.tf import keras, tf
from digitline.models import recipe as recipes
from digitline.models.recipe import Recipe
from digitline.models.training.network.optimizer import WarmUp, make_optimizer, make_schedule


def rates(recipe, steps):
    schedule = make_schedule(recipe, steps, examples=640)
    if not callable(schedule):
        return np.full(steps + 1, schedule)
    return np.array([float(schedule(tf.constant(step, tf.int64))) for step in range(steps + 1)])


def expected_rates(recipe, steps, examples):
    """The formulas that runs have been trained by since before Keras's schedules were used."""
    step, peak = np.arange(steps + 1.0), recipe.learning_rate
    warmup = round(recipe.warmup * steps)
    share = np.clip((step - warmup) / max(1, steps - warmup), 0, 1)
    decay_steps = recipe.decay_epochs * examples / recipe.batch_size
    after = {
        "constant": np.full_like(step, peak),
        "cosine": peak * 0.5 * (1 + np.cos(np.pi * share)),
        "one_cycle": peak * (1 - share),
        "step": peak * recipe.decay_rate ** np.floor(step / decay_steps),
    }[recipe.schedule]
    start = peak / 25 if recipe.schedule == "one_cycle" else 0.0
    return np.where(step < warmup, start + (peak - start) * step / max(1, warmup), after)


@pytest.mark.parametrize("schedule", recipes.SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 40, pytest.param(300, marks=pytest.mark.long)])
def test_rate_of_every_step(schedule, warmup, steps):
    recipe = Recipe(
        learning_rate=0.1, schedule=schedule, warmup=warmup, decay_rate=0.5, decay_epochs=1.7
    )
    expected = expected_rates(recipe, steps, 640)[:steps]
    np.testing.assert_allclose(rates(recipe, steps)[:steps], expected, rtol=2e-5, atol=2e-8)


def test_a_constant_rate_is_a_number():
    assert make_schedule(Recipe(learning_rate=0.1), 100, 640) == 0.1


@pytest.mark.parametrize("schedule", ["one_cycle", "step"])
def test_our_own_schedule_can_be_serialized(schedule):
    recipe = Recipe(schedule=schedule, warmup=0.2)
    optimizer = make_optimizer(recipe, 100, 640, variables())
    again = type(optimizer).from_config(optimizer.get_config(), {"WarmUp": WarmUp})
    assert float(again.learning_rate) == float(optimizer.learning_rate)


def variables():
    kernel = keras.Variable(np.full((3, 2), 2.0, np.float32), name="kernel")
    bias = keras.Variable(np.full(2, 2.0, np.float32), name="bias")
    return [kernel, bias]


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_optimizers_go_downhill(name):
    weights = variables()
    recipe = Recipe(optimizer=name, learning_rate=0.25, weight_decay=1e-4)
    optimizer = make_optimizer(recipe, 10, 640, weights)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == 0.25
    optimizer.apply([keras.ops.ones((3, 2)), keras.ops.ones((2,))], weights)
    assert all((variable.numpy() < 2).all() for variable in weights)


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_weight_decay_takes_its_share_only_of_kernels(name):
    weights = variables()
    recipe = Recipe(optimizer=name, learning_rate=0.25, weight_decay=0.1)
    optimizer = make_optimizer(recipe, 10, 640, weights)
    optimizer.apply([keras.ops.zeros((3, 2)), keras.ops.zeros((2,))], weights)
    np.testing.assert_allclose(weights[0].numpy(), 2 * (1 - 0.25 * 0.1), rtol=1e-6)
    np.testing.assert_array_equal(weights[1].numpy(), 2)


def test_gradients_are_clipped_by_their_global_norm():
    weights = variables()
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=2.0)
    optimizer = make_optimizer(recipe, 10, 640, weights)
    optimizer.apply([keras.ops.full((3, 2), 30.0), keras.ops.full((2,), 40.0)], weights)
    moved = [2 - variable.numpy() for variable in weights]
    norm = np.sqrt(6 * 30**2 + 2 * 40**2)
    np.testing.assert_allclose(moved[0], 30 * 2 / norm, rtol=1e-5)
    np.testing.assert_allclose(moved[1], 40 * 2 / norm, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_fused_updates_are_those_of_keras(name):
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

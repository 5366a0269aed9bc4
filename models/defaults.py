"""Defaults that fit the data: a network's recipe was chosen on MNIST, people's images are others.

What a flag says stands. Of the rest, on images that are not of MNIST's family, `best` takes the
mean and the deviation of the training images, and augments as fits their size and things that are
not centred (an article's recipe does what the article does), with flips and large turns where these
are pictures of things; and where there are few images, any recipe has smaller batches and more
epochs, and selects the best weights.
"""

import dataclasses
import math
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from ..base import files
from ..base.pictures.config import MNIST_SHAPE, is_like_mnist, is_of_things
from ..data.dataset import Dataset
from ..data.pipeline import statistics
from ..data.preparation.request import FILE_TABLE, IMAGE_FOLDER
from . import registry
from .recipe import Recipe
from .run.config import RunConfig, differences, is_ours
from .run.folder import Run

if TYPE_CHECKING:
    from .training.selection import Selection

# With fewer steps than this, a network is still near its random weights; a recipe that has fewer
# on MNIST's 55,000 training images is meant to.
_LEAST_STEPS, _MNIST_EXAMPLES = 1000, 55_000
# Pictures of things, which are mirrored and turned, take longer: of the drawings as below, lenet5
# is right about 53 % of 1,920 others after 1,000 steps, 57 % after 2,000, 59 % after 3,000.
_LEAST_STEPS_ON_THINGS = 2000
# What a pretrained body says of an image is nearly the class already.
_LEAST_STEPS_OF_A_HEAD = 500
# An epoch has at least this many batches, unless they would be smaller than the smallest.
_BATCHES, _SMALLEST_BATCH = 16, 8
# The network to name where another one shrinks images, or is not made for pictures of things.
_FOR_PICTURES = "convnet3"
_WITHOUT_CONVOLUTIONS = ("softmax", "mlp")
# MNIST's digits are centred and of one size. Elsewhere things are moved by this share of the
# image's shorter side, and scaled by this. (Chosen on the validation pictures of
# benchmarks/own_pictures.py, where weaker changes are learnt by heart.)
_SHIFT, _SCALE = 0.14, 0.25
# What other pens, papers and cameras make of a character, which networks are to know as well. A
# thing is not made of strokes, and may be told by how light it is.
_OF_A_PEN = ("augment_stroke", "augment_blur", "augment_contrast", "augment_noise")
# Pictures of things are flipped, and turned by this many degrees, as in Keras's tutorial.
_ROTATE = 36.0
# A class with one of these words in its name, a number or a single letter, may be a character, or
# be told from another class by its side.
_OF_ONE_SIDE = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("left", "right", "digit", "letter", "character"),
)


def earlier(run: Run) -> RunConfig | None:
    """The configuration of the run that lies in a folder, if it is one of ours."""
    if files.is_there(run.config) and is_ours(run.recorded(whole=False)):
        return run.load_config()
    return None


def fitted(
    config: RunConfig, flags: Collection[str], selection: "Selection", before: RunConfig | None
) -> tuple[RunConfig, list[str]]:
    """A run whose recipe fits its data.

    Args:
      config: with the network's own recipe, changed by the flags.
      flags: the recipe's fields that were given; they stay as they are.
      selection: what is trained on.
      before: the run that is there already, to be resumed.

    Returns:
      The run, and when it begins what is to be said of what is not the network's own.

    Raises:
      DataError: the training split is damaged.
    """
    recipe, dataset = config.recipe, selection.training.dataset
    if before is not None and before.is_of_last_release:
        return _resumed(before, config, flags)
    are_things = shows_things(dataset)
    is_turned = are_things and config.recipe_name == "best"
    least = _LEAST_STEPS_ON_THINGS if is_turned else _LEAST_STEPS
    if registry.is_pretrained(config.model):
        least = _LEAST_STEPS_OF_A_HEAD
    examples = sum(split.examples for split in selection.trained_on)
    sized = _sized(config, flags, examples, least, before)
    notes = [_unfit(config, are_things)]
    if sized != recipe:
        notes.append(_explained(recipe, sized, selection))
    fitting, preprocess = sized, config.preprocess
    if config.recipe_name == "best" and (are_things or is_of_things(dataset.name)):
        off = {name: 0.0 for name in _OF_A_PEN if name not in flags}
        fitting = dataclasses.replace(fitting, **off)
    if config.recipe_name == "best" and not is_like_mnist(dataset.name, dataset.image_shape):
        if registry.is_pretrained(config.model):  # Its body knows pixels as they were then.
            mean, std = recipe.mean, recipe.std
        elif before is not None and before.dataset == config.dataset:
            mean, std = before.recipe.mean, before.recipe.std
        else:
            mean, std = statistics.mean_and_deviation(selection.training)
        found = {"mean": mean, "std": std}
        if _sees_changed_images(config):
            found |= augmentation(fitting, dataset)
        fitting = dataclasses.replace(fitting, **{k: v for k, v in found.items() if k not in flags})
        notes.append(_turns(recipe, fitting))
        preprocess = dataclasses.replace(preprocess, mean=fitting.mean, std=fitting.std)
    fitted_config = dataclasses.replace(config, recipe=fitting, preprocess=preprocess)
    return fitted_config, list(filter(None, notes)) if before is None else []


def _resumed(
    before: RunConfig, config: RunConfig, flags: Collection[str]
) -> tuple[RunConfig, list[str]]:
    """A run of the last release as it goes on, and in what its recipe is not this version's."""
    resumed = before.resumed_with(config, flags)
    own = dataclasses.replace(resumed, recipe=config.recipe)
    kept = ", ".join(differences(resumed, own))
    return resumed, [f"a run of an earlier version keeps its recipe: {kept}"] if kept else []


def _sees_changed_images(config: RunConfig) -> bool:
    """Whether it is trained on more than each image as it is."""
    recipe = config.recipe
    is_head_only = registry.is_pretrained(config.model) and not recipe.fine_tune_epochs
    return not is_head_only or recipe.views > 1


def _unfit(config: RunConfig, are_things: bool) -> str:
    """Why another network suits the images better; empty if none does.

    One without convolutions knows things only where it has seen them; and one that looks at a
    quarter of the pixels or less loses what is small.
    """
    if are_things and config.model in _WITHOUT_CONVOLUTIONS:
        return (
            f"note: {config.model} has no convolutions and is not made for pictures of things, "
            f"which may lie anywhere in them; --model={_FOR_PICTURES} is"
        )
    preprocess = config.preprocess
    height, width, _ = preprocess.image_shape
    if registry.is_pretrained(config.model):
        if 4 * height * width > preprocess.height * preprocess.width:
            return ""
        size = f"{preprocess.height}x{preprocess.width}"
        return (
            f"note: {config.model} looks at {size} pixels, and the images are {height}x{width}: "
            f"where the pictures are larger, it knows more of them prepared with "
            f"--image_size={size}"
        )
    is_cut = preprocess.resizing == "crop"
    if is_cut or 4 * preprocess.height * preprocess.width > height * width:
        return ""
    return (
        f"note: {config.model} shrinks images of {height}x{width} to "
        f"{preprocess.height}x{preprocess.width}, and small things in them are lost; "
        f"--model={_FOR_PICTURES} takes them in their own size"
    )


def augmentation(recipe: Recipe, dataset: Dataset) -> dict[str, float]:
    """What a recipe chosen on MNIST's 28x28 pixels is on images of this dataset."""
    side = min(dataset.image_shape[:2])
    ratio = side / min(MNIST_SHAPE[:2])
    of_things = {"augment_flip": True, "augment_rotate": max(_ROTATE, recipe.augment_rotate)}
    return {
        "augment_shift": round(_SHIFT * side, 1),
        "augment_scale": max(_SCALE, recipe.augment_scale),
        "augment_elastic": round(recipe.augment_elastic * ratio, 1),
        "augment_blur": round(recipe.augment_blur * ratio, 1),
        **(of_things if shows_things(dataset) else {}),
    }


def shows_things(dataset: Dataset) -> bool:
    """Whether images stay of their class when they are mirrored, as far as can be told.

    They are in colour, or were picture files; and no class is called as characters are (`7`, `b`,
    `digit_7`), as numbered ones (whose meaning is not known), or as one of two sides.
    """
    source = dataset.metadata.source
    are_pictures = dataset.image_shape[2] > 1 or source.get("kind") in (IMAGE_FOLDER, FILE_TABLE)
    words = re.findall(r"[^\W_]+", " ".join(dataset.label_names).casefold())
    has_side = any(len(word) == 1 or word.isdigit() or word in _OF_ONE_SIDE for word in words)
    return are_pictures and not dataset.pictures.digits and not has_side


def _sized(
    config: RunConfig,
    flags: Collection[str],
    examples: int,
    least: int,
    before: RunConfig | None,
) -> Recipe:
    """The recipe with batches and epochs for this many training images, `least` steps or more."""
    own, recipe = registry.get(config.model).RECIPES[config.recipe_name], config.recipe
    least = min(least, own.total_steps(_MNIST_EXAMPLES))
    if "batch_size" not in flags:
        largest = 2 ** int(math.log2(max(examples / _BATCHES, _SMALLEST_BATCH)))
        recipe = dataclasses.replace(recipe, batch_size=min(recipe.batch_size, largest))
    if dataclasses.replace(own, batch_size=recipe.batch_size).total_steps(examples) >= least:
        return recipe
    if "epochs" not in flags:
        recipe = dataclasses.replace(recipe, epochs=math.ceil(least * recipe.batch_size / examples))
    # So many epochs may learn the images by heart.
    is_best = "epochs" not in flags
    if before is not None:  # A run that goes on for longer is the same in all else.
        is_best = before.recipe.select == "best"
    if is_best and "select" not in flags:
        recipe = dataclasses.replace(recipe, select="best")
    return recipe


def _explained(recipe: Recipe, sized: Recipe, selection: "Selection") -> str:
    examples = sum(split.examples for split in selection.trained_on)
    return (
        f"{examples:,} training images: batches of {sized.batch_size} and {sized.epochs:g} epochs, "
        f"{sized.total_steps(examples):,} steps (the recipe's batches of {recipe.batch_size} and "
        f"{recipe.epochs:g} epochs would be {recipe.total_steps(examples):,}), weights selected: "
        f"{sized.select}; --batch_size, --epochs and --select set them"
    )


def _turns(recipe: Recipe, fitting: Recipe) -> str:
    """How pictures of things are turned where the recipe would not; empty if they are not."""
    words = {
        "augment_flip": "half are mirrored, left to right (--noaugment_flip if that changes them)",
        "augment_rotate": f"each is turned by up to {fitting.augment_rotate:g} degrees "
        "(--augment_rotate sets how far)",
    }
    said = [words[name] for name in words if getattr(fitting, name) != getattr(recipe, name)]
    return "trained as pictures of things: " + ", ".join(said) if said else ""

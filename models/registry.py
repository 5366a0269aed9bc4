"""Name to model.

A model is a module of this folder with four names: `ARTICLE_ACCURACY` (what its
article says, in words), `RECIPES` (recipe name to `Recipe`: `best`, and `article`
where there is one), `preprocess(image_shape, recipe)` and
`build(input_shape, num_classes)`. Modules are imported when they are asked
for, since they import Keras.
"""

import importlib
from types import ModuleType

from ..base.errors import UsageError

NAMES = (
    "softmax",
    "mlp",
    "cnn",
    "lenet5",
    "convnet3",
    "lenet3x3",
    "twoconv",
    "swift",
    "tiny",
    "sharp",
)
RECIPES = ("best", "article")


def get(name: str) -> ModuleType:
    """The module of a model in `NAMES`."""
    if name not in NAMES:
        raise ValueError(f"Expected one of {NAMES}. Received: {name!r}")
    return importlib.import_module(f".{name}", __package__)


def cannot_take(name: str, image_shape: tuple[int, int, int], crop: int, why: str) -> UsageError:
    """The error of images that are too small for a model.

    Args:
      name: of the model.
      image_shape: (height, width, channels) of the dataset.
      crop: pixels that the recipe cuts from each side.
      why: what comes after the shape, its separator included.
    """
    shape = "x".join(map(str, image_shape))
    choose = "give --crop=0, choose" if crop else "choose"
    return UsageError(
        f"--model={name} cannot take images {shape}{why}; {choose} another network, or prepare the "
        "images in another size"
    )

"""Name to network.

A network is a module of this folder with the names of `Network`. Modules are imported when they
are needed, since they import Keras.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, cast

from ..base.errors import UsageError
from .recipe import Recipe

if TYPE_CHECKING:
    from ..base.tf import keras
    from ..data.pipeline.preprocess import Preprocess

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
    "efficientnet_lite0",
)
RECIPES = ("best", "article")
_PRETRAINED = ("efficientnet_lite0",)

# (height, width, channels).
ImageShape = tuple[int, int, int]


class Network(Protocol):
    """What the module of a network has.

    Attributes:
      NAME: as its file is called.
      ARTICLE_ACCURACY: what its article says that it reaches; `none` where it says nothing,
        `ours` where there is no article.
      INPUT_SIZE: (height, width) of the images that it takes: smaller ones are padded, larger
        ones averaged. None for any.
      RECIPES: by name: `best`, and `article` where there is one.
      build: from the shape of its input and the number of classes K to a network from float32
        [N, H, W, C] to logits float32 [N, K].
    """

    NAME: str
    ARTICLE_ACCURACY: str
    INPUT_SIZE: tuple[int, int] | None
    RECIPES: Mapping[str, Recipe]

    @staticmethod
    def build(input_shape: ImageShape, num_classes: int) -> "keras.Model": ...


def get(name: str) -> Network:
    """The module of a network in `NAMES`."""
    if name not in NAMES:
        raise ValueError(f"Expected one of {NAMES}. Received: {name!r}")
    return cast(Network, importlib.import_module(f".{name}", __package__))


def is_pretrained(name: str) -> bool:
    """Whether a network's body begins with weights that were trained on other images."""
    return name in _PRETRAINED


def preprocess(network: Network, image_shape: ImageShape, recipe: Recipe) -> "Preprocess":
    """From images of this shape to the network's input.

    Raises:
      UsageError: the recipe's crop leaves nothing, or the network takes only one size.
    """
    from ..data.pipeline.preprocess import Preprocess

    if 2 * recipe.crop >= min(image_shape[:2]):
        why = f": --crop={recipe.crop} cuts that many pixels from each side and leaves none"
        raise cannot_take(network.NAME, image_shape, recipe.crop, why)
    if network.INPUT_SIZE is None:
        return Preprocess.as_is(image_shape, recipe.mean, recipe.std, recipe.crop)
    if recipe.crop:
        raise UsageError(f"--crop={recipe.crop}: {network.NAME} takes only one size of images")
    height, width = network.INPUT_SIZE
    if is_pretrained(network.NAME) and image_shape[:2] != network.INPUT_SIZE:
        # It knows things in the size of its own images, not small ones amid black.
        return Preprocess(image_shape, height, width, "average", recipe.mean, recipe.std)
    return Preprocess.to_size(image_shape, height, width, recipe.mean, recipe.std)


def cannot_take(name: str, image_shape: ImageShape, crop: int, why: str) -> UsageError:
    """The error of images that are too small for a network; `why` follows their shape."""
    shape = "x".join(map(str, image_shape))
    choose = "give --crop=0, choose" if crop else "choose"
    return UsageError(
        f"--model={name} cannot take images {shape}{why}; {choose} another network, or prepare the "
        "images in another size"
    )

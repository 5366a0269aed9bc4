"""Two 5x5 convolutions, each with a max-pooling before its ReLU. 242,062 parameters on 28x28x1.

digitline train --model=twoconv
python -m digitline.models.twoconv
"""

from typing import Any

from ..base.tf import keras
from ..data.pipeline.preprocess import Preprocess
from .recipe import Recipe

NAME = "twoconv"
# What the article says that it reaches.
ARTICLE_ACCURACY = "98.7 %"

RECIPES = {
    "article": Recipe(
        optimizer="adam", learning_rate=1e-4, batch_size=64, epochs=12, max_steps=10_000
    ),
    "best": Recipe(
        optimizer="adam",
        learning_rate=1.5e-3,
        schedule="cosine",
        warmup=0.05,
        batch_size=128,
        epochs=20,
        mean=0.1307,
        std=0.3081,
        average=0.999,
        label_smoothing=0.05,
        augment_shift=1.5,
        augment_rotate=12.0,
        augment_scale=0.1,
        augment_shear=8.0,
        augment_elastic=0.7,
    ),
}


def preprocess(image_shape: tuple[int, int, int], recipe: Recipe) -> Preprocess:
    """Images of any size, as they are."""
    return Preprocess.as_is(image_shape, recipe.mean, recipe.std, recipe.crop)


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Builds the network.

    Args:
      input_shape: (height, width, channels), 4x4 at least.
      num_classes: K.

    Returns:
      float32 [N, H, W, C] to logits float32 [N, K].
    """
    layers, initializers = keras.layers, keras.initializers

    def begin() -> dict[str, Any]:
        return {
            "kernel_initializer": initializers.TruncatedNormal(stddev=0.05),
            "bias_initializer": initializers.Constant(0.05),
        }

    inputs = x = keras.Input(input_shape, name="images")
    for block, filters in enumerate((16, 36), 1):
        x = layers.Conv2D(filters, 5, padding="same", name=f"conv{block}", **begin())(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
        x = layers.ReLU(name=f"relu{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="hidden", **begin())(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits", **begin())(x), name=NAME)


if __name__ == "__main__":
    from . import train

    train.main(NAME)

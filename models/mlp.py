"""Two hidden layers of 512 with ReLU. 669,706 parameters on 28x28x1 images.

digitline train --model=mlp
python -m digitline.models.mlp
"""

from ..base.tf import keras
from ..data.pipeline.preprocess import Preprocess
from .recipe import Recipe

NAME = "mlp"
# What the article says that it reaches.
ARTICLE_ACCURACY = "97.82 %"

RECIPES = {
    "article": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=128, epochs=5),
    "best": Recipe(
        optimizer="adam",
        learning_rate=1e-3,
        schedule="cosine",
        warmup=0.05,
        batch_size=128,
        epochs=20,
        mean=0.1307,
        std=0.3081,
        average=0.999,
        augment_shift=2.0,
        augment_rotate=10.0,
        augment_scale=0.1,
        augment_shear=5.0,
    ),
}


def preprocess(image_shape: tuple[int, int, int], recipe: Recipe) -> Preprocess:
    """Images of any size, as they are."""
    return Preprocess.as_is(image_shape, recipe.mean, recipe.std, recipe.crop)


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Builds the network.

    Args:
      input_shape: (height, width, channels).
      num_classes: K.

    Returns:
      float32 [N, H, W, C] to logits float32 [N, K].
    """
    layers = keras.layers
    inputs = keras.Input(input_shape, name="images")
    x = layers.Flatten(name="flatten")(inputs)
    x = layers.Dense(512, activation="relu", name="hidden1")(x)
    x = layers.Dense(512, activation="relu", name="hidden2")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name=NAME)


if __name__ == "__main__":
    from . import train

    train.main(NAME)

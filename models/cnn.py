"""Two convolutions, one max-pooling, dropout. 1,199,882 parameters on 28x28x1 images.

The network of Keras's example "mnist_cnn".

  digitline train --model=cnn
  python -m digitline.models.cnn
"""

from ..base.tf import keras
from ..data.pipeline.preprocess import Preprocess
from .recipe import Recipe

NAME = "cnn"
# What the article says that it reaches.
ARTICLE_ACCURACY = "99.00 %"

RECIPES = {
    "article": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=128, epochs=5),
    # Changed less than for the other networks, and for longer: the dropout regularizes too.
    "best": Recipe(
        optimizer="adam",
        learning_rate=1e-3,
        schedule="cosine",
        warmup=0.05,
        batch_size=128,
        epochs=50,
        mean=0.1307,
        std=0.3081,
        average=0.9995,
        dtype="bfloat16",
        augment_shift=1.0,
        augment_rotate=8.0,
        augment_scale=0.08,
        augment_shear=5.0,
        augment_elastic=0.5,
    ),
}


def preprocess(image_shape: tuple[int, int, int], recipe: Recipe) -> Preprocess:
    """Images of any size, as they are."""
    return Preprocess.as_is(image_shape, recipe.mean, recipe.std, recipe.crop)


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Builds the network.

    Args:
      input_shape: (height, width, channels), 6x6 at least.
      num_classes: K.

    Returns:
      float32 [N, H, W, C] to logits float32 [N, K].
    """
    layers = keras.layers
    inputs = keras.Input(input_shape, name="images")
    x = layers.Conv2D(32, 3, activation="relu", name="conv1")(inputs)
    x = layers.Conv2D(64, 3, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dropout(0.25, name="dropout1")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.5, name="dropout2")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name=NAME)


if __name__ == "__main__":
    from . import train

    train.main(NAME)

"""Softmax regression: one linear layer. 7,850 parameters on 28x28x1 images.

The first network of TensorFlow's own tutorial "MNIST for ML beginners" (2015),
whose recipe is `article`: plain gradient descent at 0.5, 1,000 steps of 100
images, weights that begin at zero.

  digitline train --model=softmax
  python -m digitline.models.softmax
"""

from ..base.tf import keras
from ..data.pipeline.preprocess import Preprocess
from .recipe import Recipe

NAME = "softmax"
# What the article says that it reaches.
ARTICLE_ACCURACY = "91 to 92 %"

RECIPES = {
    "article": Recipe(
        optimizer="sgd",
        momentum=0.0,
        learning_rate=0.5,
        batch_size=100,
        epochs=2,
        max_steps=1000,
    ),
    "best": Recipe(
        optimizer="adam",
        learning_rate=3e-3,
        schedule="cosine",
        warmup=0.05,
        batch_size=256,
        epochs=30,
        average=0.999,
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
    x = layers.Dense(num_classes, kernel_initializer="zeros", name="logits")(x)
    return keras.Model(inputs, x, name=NAME)


if __name__ == "__main__":
    from . import train

    train.main(NAME)

"""Softmax regression: one linear layer. 7,850 parameters on 28x28x1 images.

The first network of TensorFlow's own tutorial "MNIST for ML beginners" (2015),
whose recipe is `article`: plain gradient descent at 0.5, 1,000 steps of 100
images, weights that begin at zero.

  digitline train --model=softmax

Test accuracy, mean and range of 3 seeds, and training time on 2 cores:

  --recipe=best     92.87 % (92.85 to 92.89)   5.2 s
  --recipe=article  91.97 % (91.70 to 92.11)   0.8 s; its article says 91 to 92 %
"""

from ..base import command
from ..base.tf import keras
from .recipe import Recipe

NAME = "softmax"
ARTICLE_ACCURACY = "91 to 92 %"
INPUT_SIZE = None  # Any.

RECIPES = {
    "article": Recipe(
        optimizer="sgd", momentum=0.0, learning_rate=0.5, batch_size=100, epochs=2, max_steps=1000
    ),
    "best": Recipe(
        optimizer="adam",
        learning_rate=3e-3,
        schedule="cosine",
        warmup=0.05,
        batch_size=256,
        epochs=30,
        ema_decay=0.999,
    ),
}


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The network: float32 [N, H, W, C] to logits float32 [N, num_classes]."""
    layers = keras.layers
    inputs = keras.Input(input_shape, name="normalized_images")
    x = layers.Flatten(name="flatten")(inputs)
    x = layers.Dense(num_classes, kernel_initializer="zeros", name="logits")(x)
    return keras.Model(inputs, x, name=NAME)


if __name__ == "__main__":
    command.start("models.train", model=NAME)

"""LeNet-5 with 3x3 kernels, on images that are not padded. 81,194 parameters on 28x28x1 images.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied
to document recognition", Proc. IEEE 86(11), 1998.

  digitline train --model=lenet3x3

Test accuracy, mean and range of 3 seeds, and training time on 2 cores:

  --recipe=best     99.47 % (99.46 to 99.49)    56 s
  --recipe=article  98.99 % (98.86 to 99.16)    17 s
"""

from ..base import command
from ..base.tf import keras
from .recipe import Recipe, best

NAME = "lenet3x3"
ARTICLE_ACCURACY = "none"
INPUT_SIZE = None  # Any.

RECIPES = {
    "article": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=64, epochs=10),
    "best": best(learning_rate=3e-3),
}


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The network: float32 [N, H, W, C], 7x7 at least, to logits float32 [N, num_classes]."""
    layers = keras.layers
    inputs = keras.Input(input_shape, name="normalized_images")
    x = layers.Conv2D(6, 3, activation="relu", name="c1")(inputs)
    x = layers.AveragePooling2D(2, padding="same", name="s2")(x)
    x = layers.Conv2D(16, 3, activation="relu", name="c3")(x)
    x = layers.AveragePooling2D(2, padding="same", name="s4")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation="relu", name="c5")(x)
    x = layers.Dense(84, activation="relu", name="f6")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name=NAME)


if __name__ == "__main__":
    command.start("models.train", model=NAME)

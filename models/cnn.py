"""Two convolutions, one max-pooling, dropout. 1,199,882 parameters on 28x28x1 images.

The network of Keras's example "mnist_cnn".

  digitline train --model=cnn

Test accuracy, mean and range of 3 seeds, and training time on 2 cores:

  --recipe=best     99.55 % (99.54 to 99.55)   9 min
  --recipe=article  99.05 % (98.99 to 99.10)   2 min; its article says 99.00 %
"""

from ..base import command
from ..base.tf import keras
from .recipe import Recipe, best
from .training.network.layers import dropout

NAME = "cnn"
ARTICLE_ACCURACY = "99.00 %"
INPUT_SIZE = None  # Any.

RECIPES = {
    "article": Recipe(optimizer="adam", learning_rate=1e-3, batch_size=128, epochs=5),
    # Changed less than for the other networks, and for longer: the dropout regularizes too.
    "best": best(
        epochs=50,
        ema_decay=0.9995,
        dtype="bfloat16",
        augment_shift=1.0,
        augment_rotate=8.0,
        augment_scale=0.08,
    ),
}


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """The network: float32 [N, H, W, C], 6x6 at least, to logits float32 [N, num_classes]."""
    layers = keras.layers
    inputs = keras.Input(input_shape, name="normalized_images")
    x = layers.Conv2D(32, 3, activation="relu", name="conv1")(inputs)
    x = layers.Conv2D(64, 3, activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = dropout(0.25, name="dropout1")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(128, activation="relu", name="hidden")(x)
    x = dropout(0.5, name="dropout2")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name=NAME)


if __name__ == "__main__":
    command.start("models.train", model=NAME)

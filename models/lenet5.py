"""LeNet-5 with ReLU, on images padded to 32x32. 61,706 parameters on 28x28x1 images.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
document recognition", Proc. IEEE 86(11), 1998. The network is the form that
tutorials use: average pooling without weights, every map connected, ReLU.

  digitline train --model=lenet5 --workdir=runs/lenet5
  python -m digitline.models.lenet5 --workdir=runs/lenet5
"""

from ..base.tf import keras
from ..data.pipeline.preprocess import Preprocess
from .recipe import Recipe

NAME = "lenet5"
# What the article says that it reaches.
ARTICLE_ACCURACY = "99.26 %"

RECIPES = {
    # The article's own: constant rate, pixels scaled to 0..1.
    "article": Recipe(
        optimizer="adam",
        learning_rate=1e-3,
        schedule="constant",
        batch_size=64,
        epochs=5,
        mean=0.0,
        std=1.0,
    ),
    "best": Recipe(
        optimizer="adam",
        learning_rate=3e-3,
        schedule="cosine",
        warmup=0.1,
        batch_size=128,
        epochs=15,
        mean=0.1307,
        std=0.3081,
        average=0.998,
        augment_shift=1.5,
        augment_rotate=10.0,
        augment_scale=0.1,
        augment_shear=5.0,
        augment_elastic=0.5,
    ),
}


def preprocess(image_shape: tuple[int, int, int], recipe: Recipe) -> Preprocess:
    """Padding to 32x32; images that are larger are resized."""
    return Preprocess.to_size(image_shape, 32, 32, recipe.mean, recipe.std)


def build(input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Builds the network.

    Args:
      input_shape: (32, 32, channels), what `preprocess` gives.
      num_classes: K.

    Returns:
      float32 [N, 32, 32, C] to logits float32 [N, K].
    """
    layers = keras.layers
    inputs = keras.Input(input_shape, name="images")
    x = layers.Conv2D(6, 5, activation="relu", name="c1")(inputs)
    x = layers.AveragePooling2D(2, name="s2")(x)
    x = layers.Conv2D(16, 5, activation="relu", name="c3")(x)
    x = layers.AveragePooling2D(2, name="s4")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation="relu", name="c5")(x)
    x = layers.Dense(84, activation="relu", name="f6")(x)
    return keras.Model(inputs, layers.Dense(num_classes, name="logits")(x), name=NAME)


if __name__ == "__main__":
    from . import train

    train.main(NAME)

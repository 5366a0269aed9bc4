"""Changes of light and sharpness, as graph ops on float32 [N, H, W, C], 0 to 255.

Each image has its own amount. They come after all changes of place: a camera blurs what is there,
and its noise is of the picture. All is sums, products and quotients, which are rounded alike at
every place in a batch.
"""

import math

from ...base.tf import tf
from .order import uniform

# Random numbers of an image: for blur, for lost contrast, for noise, and where the contrast lies.
NUMBERS = 4
# The key of the noise, beside seed, epoch and index: there are as many numbers as pixels.
_NOISE = 1


def blurred(images: tf.Tensor, reaches: tf.Tensor, most: float) -> tf.Tensor:
    """By parabolas, which are much like Gaussians; outside of the images all is 0.

    Args:
      reaches: how far a pixel of each image is spread to each side, in pixels, [N]; none is above
        `most`.
    """
    reach = math.ceil(most)
    squares = tf.square(tf.range(-reach, reach + 1, dtype=tf.float32))
    weights = tf.maximum(1.0 - squares / tf.square(reaches[:, tf.newaxis] + 1.0), 0.0)
    columns = tf.unstack(weights[:, :, tf.newaxis, tf.newaxis, tf.newaxis], axis=1)
    total = tf.add_n(columns)
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    padded = tf.pad(images, [[0, 0], [reach, reach], [0, 0], [0, 0]])
    images = tf.add_n([w * padded[:, k : k + height] for k, w in enumerate(columns)]) / total
    padded = tf.pad(images, [[0, 0], [0, 0], [reach, reach], [0, 0]])
    return tf.add_n([w * padded[:, :, k : k + width] for k, w in enumerate(columns)]) / total


def faded(images: tf.Tensor, lost: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """Less contrast: black and white come closer together.

    Args:
      lost: the share of each image's range that is lost, [N].
      levels: where the rest lies, [N]: 0 for darkest, 1 for brightest.
    """
    lost, levels = (value[:, tf.newaxis, tf.newaxis, tf.newaxis] for value in (lost, levels))
    return images * (1.0 - lost) + 255.0 * lost * levels


def noisy(images: tf.Tensor, amounts: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Each value is changed by its own number, and cut off at black and white.

    Args:
      amounts: the largest change in each image, as a share of black to white, [N].
      keys: int64 [N, 3], as `Augment` has them.
    """
    shape = tf.shape(images)
    own = tf.pad(keys, [[0, 0], [0, 1]], constant_values=_NOISE)
    numbers = 2.0 * tf.reshape(uniform(own, tf.reduce_prod(shape[1:])), shape) - 1.0
    amounts = amounts[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.clip_by_value(images + 255.0 * amounts * numbers, 0.0, 255.0)

"""Preprocessing: one object of graph ops, used by training, evaluation and every export.

It is made once, when a model meets a dataset, and stored in the run's
`config.json`; nothing else in the project pads, resizes or normalizes.
"""

import dataclasses
import math

from ...base.tf import tf


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Raw pixels to what the network takes.

    Attributes:
      image_shape: (height, width, channels) of the raw images.
      height, width: of the network's input.
      resizing: how one becomes the other: `none`; `pad` with black on all sides; `crop` on all
        sides; `average`, to which every pixel counts; or, in older runs, `resize`, bilinearly
        between the pixels nearest to the new ones. The last two may change the aspect.
      mean, std: (x / 255 - mean) / std is what the network sees; x in 0 to 255.
    """

    image_shape: tuple[int, int, int]
    height: int
    width: int
    resizing: str = "none"
    mean: float = 0.0
    std: float = 1.0

    def __post_init__(self):
        height, width, _ = self.image_shape
        possible = {
            "none": (height, width) == (self.height, self.width),
            "pad": height <= self.height and width <= self.width,
            "crop": height >= self.height >= 1 and width >= self.width >= 1,
            "average": True,
            "resize": True,
        }
        if not possible.get(self.resizing, False):
            raise ValueError(
                f"Expected resizing to be one of {list(possible)} that leads from {height}x{width} "
                f"to {self.height}x{self.width}. Received: resizing={self.resizing!r}"
            )
        if self.std <= 0:
            raise ValueError(f"Expected std > 0. Received: std={self.std}")

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the network's input."""
        return (self.height, self.width, self.image_shape[2])

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """From uint8 or float32 [N, H, W, C], 0 to 255, to float32 [N, height, width, C]."""
        # Pixels above and to the left that are padded or cropped.
        above = abs(self.height - self.image_shape[0]) // 2
        left = abs(self.width - self.image_shape[1]) // 2
        if self.resizing == "crop":
            images = images[:, above : above + self.height, left : left + self.width]
        images = tf.cast(images, tf.float32)  # Before resizing, since TFLite does not do it.
        if self.resizing == "average":
            images = self._averaged(images)
        if self.resizing == "resize":
            images = tf.image.resize(images, (self.height, self.width))
        # One pass over the batch where there is no mean, else two, instead of three.
        images *= 1.0 / (255.0 * self.std)
        black = self.mean / self.std
        if self.mean:
            images -= black
        if self.resizing == "pad":
            # Last, since the images are smaller before; and TFLite cannot pad uint8.
            below = self.height - self.image_shape[0] - above
            right = self.width - self.image_shape[1] - left
            margins = [[0, 0], [above, below], [left, right], [0, 0]]
            images = tf.pad(images, margins, constant_values=-black)
        return images

    def _averaged(self, images: tf.Tensor) -> tf.Tensor:
        """Bilinearly to the next multiple of the size, of which blocks are averaged.

        TensorFlow's own antialiasing does much the same, but it is TensorFlow's alone: these two
        operations are in every format, as float and as integers.
        """
        height, width, _ = self.image_shape
        block = (math.ceil(height / self.height), math.ceil(width / self.width))
        images = tf.image.resize(images, (block[0] * self.height, block[1] * self.width))
        return tf.nn.avg_pool2d(images, block, block, "VALID")

    @classmethod
    def as_is(
        cls, image_shape: tuple[int, int, int], mean: float, std: float, crop: int = 0
    ) -> "Preprocess":
        """For a network that takes images of any size; `crop` pixels are cut from each side."""
        height, width, _ = image_shape
        resizing = "crop" if crop else "none"
        return cls(image_shape, height - 2 * crop, width - 2 * crop, resizing, mean, std)

    @classmethod
    def to_size(
        cls, image_shape: tuple[int, int, int], height: int, width: int, mean: float, std: float
    ) -> "Preprocess":
        """For a network that takes one size: smaller images are padded, larger ones averaged."""
        size = image_shape[:2]
        small = size[0] <= height and size[1] <= width
        resizing = "none" if size == (height, width) else "pad" if small else "average"
        return cls(image_shape, height, width, resizing, mean, std)

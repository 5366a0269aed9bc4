"""Random changes of training images, as stateless graph ops.

What an image becomes is a pure function of (seed, epoch, index of the example in the
split): the same after a resume and in whatever batch. Never used in evaluation or export.

P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural
networks applied to visual document analysis", ICDAR 2003 (affine and elastic);
Z. Zhong et al., "Random erasing data augmentation", AAAI 2020 (erasing).
"""

import dataclasses
import math

from ...base.tf import tf
from . import photometric
from .order import uniform

# Elastic displacements are drawn on a grid of this many points a side and
# interpolated: as smooth as Simard's Gaussian of 4 pixels on 28x28 images.
_GRID = 5
# Random numbers of an image: two for the shift, one each for rotation, scale and
# shear, four for the rectangle; then those of the grid, one each for the strokes and the flip, and
# those of photometric changes. New ones are drawn last: the others stay what they were.
_AFFINE, _ERASE = 5, 4
# Of each side of an image, at most this many pixels tell the border's colour.
_BORDER_PIXELS = 32


@dataclasses.dataclass(frozen=True)
class Augment:
    """How far images are changed; each is drawn evenly from minus to plus its amount.

    Blur, contrast and noise leave an image alone where that is below 0: half of all.

    Attributes:
      shift: in pixels, in both directions.
      rotate: in degrees.
      scale: as a share: 0.1 is 0.9 to 1.1 times the size.
      shear: in degrees.
      elastic: displacement of the grid's points, in pixels.
      erase: the largest side of the erased rectangle, as a share of the image's side.
      stroke: how far bright strokes are widened or thinned: 1 is by a pixel on each side.
      flip: whether half of the images are mirrored, left to right.
      blur: how far a pixel is spread to each side, in pixels.
      contrast: the share of black to white that is lost; the rest lies anywhere between them.
      noise: the largest change of a pixel, as a share of black to white.
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    erase: float = 0.0
    stroke: float = 0.0
    flip: bool = False
    blur: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            limit = 1.0 if field.name in ("scale", "erase", "stroke", "contrast") else math.inf
            if not 0 <= value < limit:
                raise ValueError(
                    f"Expected 0 <= {field.name} < {limit:g}. Received: {field.name}={value}"
                )

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return any(dataclasses.astuple(self))

    def __call__(
        self, images: tf.Tensor, keys: tf.Tensor, others: tuple[int, int] = (0, 0)
    ) -> tf.Tensor:
        """Changes a batch of images.

        Args:
          images: uint8 or float32 [N, H, W, C], 0 to 255; what moves in from outside, and what is
            erased, has the colour of the image's border.
          keys: int64 [N, 3]: seed, epoch, index in the split.
          others: how many images of the batch come before and after these, at other workers. They
            count because sines are rounded by the place in the batch.

        Returns:
          float32 [N, H, W, C], 0 to 255.
        """
        images = tf.cast(images, tf.float32)
        sizes = [_AFFINE, _ERASE, 2 * _GRID * _GRID, 1, 1, photometric.NUMBERS]
        numbers = 2.0 * uniform(keys, sum(sizes)) - 1.0
        affine, erase, grid, stroke, flip, light = tf.split(numbers, sizes, axis=1)
        if self.flip:
            is_flipped = flip[:, :, tf.newaxis, tf.newaxis] < 0.0
            images = tf.where(is_flipped, images[:, :, ::-1], images)
        if self.stroke:
            images = _restroke(images, self.stroke * stroke)
        # What is changed below is the difference from the border's colour, which is then 0: what
        # comes from outside.
        border = border_colour(images)
        matrices = self._matrices(images, tf.pad(affine, [others, (0, 0)]))
        images = self._moved(images - border, matrices[others[0] :][: tf.shape(images)[0]], grid)
        if self.erase:
            images = self._erased(images, erase)
        blur, lost, noise, level = tf.unstack(light, axis=1)
        if self.blur:
            images = photometric.blurred(images, self.blur * tf.nn.relu(blur), self.blur)
        images += border
        if self.contrast:
            images = photometric.faded(images, self.contrast * tf.nn.relu(lost), (level + 1) / 2)
        if self.noise:
            images = photometric.noisy(images, self.noise * tf.nn.relu(noise), keys)
        return images

    def _moved(self, images: tf.Tensor, matrices: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
        """Elastic and affine changes; outside of the images all is 0."""
        if self.elastic:
            return _warp(images, matrices, self.elastic * grid)
        if self.shift or self.rotate or self.scale or self.shear:
            return tf.raw_ops.ImageProjectiveTransformV3(
                images=images,
                transforms=matrices,
                output_shape=tf.shape(images)[1:3],
                fill_value=0.0,
                interpolation="BILINEAR",
                fill_mode="CONSTANT",
            )
        return images

    def _matrices(self, images: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        """From output to input coordinates: float32 [N, 8], as ImageProjectiveTransformV3 has it.

        About the image's centre: y = S R (x - c) + c + t.
        """
        shape = tf.cast(tf.shape(images), tf.float32)
        middle_y, middle_x = (shape[1] - 1) / 2, (shape[2] - 1) / 2
        shift_y, shift_x, rotate, scale, shear = tf.unstack(numbers, axis=1)
        angle = rotate * self.rotate * math.pi / 180
        slant = tf.tan(shear * self.shear * math.pi / 180)
        size = 1.0 / (1.0 + scale * self.scale)
        a, b = size * tf.cos(angle), size * (slant * tf.cos(angle) - tf.sin(angle))
        c, d = size * tf.sin(angle), size * (slant * tf.sin(angle) + tf.cos(angle))
        move_x = middle_x - a * middle_x - b * middle_y + shift_x * self.shift
        move_y = middle_y - c * middle_x - d * middle_y + shift_y * self.shift
        zero = tf.zeros_like(a)
        return tf.stack([a, b, move_x, c, d, move_y, zero, zero], axis=1)

    def _erased(self, images: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        """A rectangle of 0 somewhere in each image."""
        shape = tf.shape(images)
        inside = []
        for axis, (size, place) in enumerate(((0, 1), (2, 3)), start=1):
            length = tf.cast(shape[axis], tf.float32)
            extent = (numbers[:, size] + 1) / 2 * self.erase * length
            start = (numbers[:, place] + 1) / 2 * (length - extent)
            pixel = tf.range(shape[axis], dtype=tf.float32)[tf.newaxis]
            low, high = tf.round(start)[:, tf.newaxis], tf.round(start + extent)[:, tf.newaxis]
            inside.append((pixel >= low) & (pixel < high))
        hole = inside[0][:, :, tf.newaxis, tf.newaxis] & inside[1][:, tf.newaxis, :, tf.newaxis]
        return tf.where(hole, 0.0, images)


def border_colour(images: tf.Tensor) -> tf.Tensor:
    """The colour of each image's border: the median of its outermost pixels.

    Unlike a mean, it stays the paper's colour where a few strokes touch the border. A number of
    pixels from each side is enough; each channel is taken by itself.

    Args:
      images: float32 [N, H, W, C].

    Returns:
      float32 [N, 1, 1, C].
    """
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    down, right = (height - 1) // _BORDER_PIXELS + 1, (width - 1) // _BORDER_PIXELS + 1
    sides = (
        images[:, 0, ::right],
        images[:, -1, ::right],
        images[:, ::down, 0],
        images[:, ::down, -1],
    )
    pixels = tf.transpose(tf.concat(sides, axis=1), [0, 2, 1])
    upper_half = tf.math.top_k(pixels, tf.shape(pixels)[2] // 2 + 1).values
    return upper_half[:, tf.newaxis, tf.newaxis, :, -1]


def _restroke(images: tf.Tensor, amounts: tf.Tensor) -> tf.Tensor:
    """Between the image and its grey dilation (amount 1) or erosion (-1) by 3x3: [N, 1] of them."""
    amounts = amounts[:, :, tf.newaxis, tf.newaxis]
    wider = tf.nn.max_pool2d(images, 3, 1, "SAME") - images
    thinner = images + tf.nn.max_pool2d(-images, 3, 1, "SAME")
    return images + tf.maximum(amounts, 0.0) * wider + tf.minimum(amounts, 0.0) * thinner


def _warp(images: tf.Tensor, matrices: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
    """Elastic and affine changes in one interpolation: each of its own would blur the strokes.

    Args:
      images: float32 [N, H, W, C].
      matrices: float32 [N, 8], as `_matrices` gives them.
      grid: float32 [N, 2 * G * G], displacements in pixels, y and x by turns.
    """
    shape = tf.shape(images)
    count, height, width = shape[0], shape[1], shape[2]
    field = tf.image.resize(
        tf.reshape(grid, [count, _GRID, _GRID, 2]), tf.stack([height, width]), method="bicubic"
    )
    rows, columns = tf.meshgrid(
        tf.range(height, dtype=tf.float32), tf.range(width, dtype=tf.float32), indexing="ij"
    )
    y, x = field[..., 0] + rows, field[..., 1] + columns
    a, b, move_x, c, d, move_y = tf.unstack(matrices[:, :6, tf.newaxis, tf.newaxis], axis=1)
    x, y = a * x + b * y + move_x, c * x + d * y + move_y
    top, left = tf.floor(y), tf.floor(x)
    down, right = y - top, x - left
    # A border of 0, so that what lies outside is 0 and no index is out of range.
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
    pixels = tf.reshape(padded, [-1, shape[3]])
    start = tf.reshape(tf.range(count) * (height + 2) * (width + 2), [-1, 1, 1])

    def pixel(row: tf.Tensor, column: tf.Tensor) -> tf.Tensor:
        row = tf.clip_by_value(tf.cast(row, tf.int32) + 1, 0, height + 1)
        column = tf.clip_by_value(tf.cast(column, tf.int32) + 1, 0, width + 1)
        return tf.gather(pixels, start + row * (width + 2) + column)

    right, down = right[..., tf.newaxis], down[..., tf.newaxis]
    upper = pixel(top, left) * (1 - right) + pixel(top, left + 1) * right
    lower = pixel(top + 1, left) * (1 - right) + pixel(top + 1, left + 1) * right
    return upper * (1 - down) + lower * down

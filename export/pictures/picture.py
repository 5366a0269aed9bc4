"""A picture file to an image of the dataset, in the graph: what `base/pictures/decode.py` does.

Large pictures are worked on in blocks of rows, to bound the memory that they take.
"""

import functools
from collections.abc import Callable
from typing import Any

from ...base.pictures import digits, resample
from ...base.pictures.config import MOST_PIXELS, PictureConfig
from ...base.tf import tf
from .arrays import TensorFlow
from .decode import decode

_XP = TensorFlow()
# Pixels of a block.
_BLOCK = 1 << 19
# Of Pillow's grey, in parts of 2^16: red, green, blue.
_GREY = (19595, 38470, 7471)
# A picture counts as dark on light where its border is brighter than this.
LIGHT = 127.5


@functools.cache
def loader(config: PictureConfig, dark_on_light: bool = False) -> Callable[[tf.Tensor], tf.Tensor]:
    """A graph function from a picture file, string [], to an image uint8 [height, width, channels].

    Its thousands of operations are traced once in a process, whatever it is called in.

    Args:
      config: what is done with a picture.
      dark_on_light: whether one with a light border is inverted; where digits are found, they
        are light on black anyway.
    """
    height, width, channels = config.image_shape

    def call(content: tf.Tensor) -> tf.Tensor:
        pixels, orientation = decode(content)
        pixels = turned(pixels, orientation)
        paper = _paper(pixels)
        if config.digits:
            image = _digit(pixels, paper, height, width)
            image = tf.tile(image, [1, 1, channels])
        else:
            image = _fitted(pixels, paper, config)
        image = tf.ensure_shape(image, (height, width, channels))
        return _light_on_dark(image) if dark_on_light and not config.digits else image

    # There is no Python `if` of tensors here, and to look for one takes seconds.
    return tf.function(call, [tf.TensorSpec([], tf.string)], autograph=False)


def turned(pixels: Any, orientation: Any) -> Any:
    """Turns a picture as EXIF says; with a number that says nothing, it stays.

    Args:
      pixels: uint8 [h, w, C].
      orientation: EXIF's number, int32.
    """

    def across(value: Any) -> Any:
        # A pixel as one float32: at a transposition of integers oneDNN writes an error line.
        depth = tf.shape(value)[2]
        padding: Any = [[0, 0], [0, 0], [0, 4 - depth]]
        whole = tf.bitcast(tf.pad(value, padding), tf.float32)
        return tf.bitcast(tf.transpose(whole), tf.uint8)[:, :, :depth]

    ways = [
        lambda: pixels,
        lambda: tf.reverse(pixels, [1]),
        lambda: tf.reverse(pixels, [0, 1]),
        lambda: tf.reverse(pixels, [0]),
        lambda: across(pixels),
        lambda: across(tf.reverse(pixels, [0])),
        lambda: across(tf.reverse(pixels, [0, 1])),
        lambda: across(tf.reverse(pixels, [1])),
    ]
    known = (orientation >= 1) & (orientation <= len(ways))
    return tf.switch_case(tf.where(known, orientation, 1) - 1, ways)


def _digit(pixels: Any, paper: Any, height: int, width: int) -> Any:
    """Finds the digit in a picture, uint8 [height, width, 1]."""
    size = tf.shape(pixels)[:2]

    def as_it_is() -> Any:
        return digits.light_on_dark(_XP, _real(_flat(pixels, paper, 1)[:, :, 0]))

    def found() -> Any:
        work_size = digits.work_size(_XP, size[0], size[1])
        small = _resized(pixels, paper, 1, tf.stack(work_size))
        return digits.find_digit(_XP, _real(small[:, :, 0]), height, width)

    digit = tf.cond(tf.reduce_all(tf.equal(size, (height, width))), as_it_is, found)
    return tf.cast(digit, tf.uint8)[:, :, tf.newaxis]


def _resized(pixels: Any, paper: Any, channels: int, new_size: Any) -> Any:
    """Flattens and resizes pixels to uint8 [new height, new width, channels]."""
    size = tf.shape(pixels)[:2]
    columns = resample.bilinear(_XP, size[1], new_size[1])

    def narrow(rows: Any) -> Any:
        flat = tf.unstack(_flat(rows, paper, channels), num=channels, axis=2)
        levels = [resample.along_rows(_XP, _real(channel), columns) for channel in flat]
        return tf.cast(tf.stack(levels, axis=2), tf.uint8)

    narrowed = _in_blocks(narrow, pixels, channels)
    by_row = _real(tf.reshape(narrowed, [size[0], new_size[1] * channels]))
    levels = resample.along_columns(_XP, by_row, resample.bilinear(_XP, size[0], new_size[0]))
    return tf.cast(tf.reshape(levels, [-1, new_size[1], channels]), tf.uint8)


def _real(values: Any) -> Any:
    return tf.cast(values, tf.float64)


def _fitted(pixels: Any, paper: Any, config: PictureConfig) -> Any:
    """Resizes a picture as `fit` says, to uint8 [height, width, channels]."""
    height, width, channels = config.image_shape
    size = tf.shape(pixels)[:2]
    target = tf.constant((height, width))
    inner_size = target
    if config.fit != "stretch":
        scales = _real(target) / _real(size)
        scale = (tf.reduce_min if config.fit == "pad" else tf.reduce_max)(scales)
        inner = tf.round(_real(size) * scale)
        with tf.control_dependencies([_bounded(inner)]):
            inner_size = tf.maximum(tf.cast(inner, tf.int32), 1)
    inner = _resized(pixels, paper, channels, inner_size)
    if config.fit == "stretch":
        return inner
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    border = _flat(tf.concat(edges, axis=0)[tf.newaxis], paper, channels)[0]
    # Channel by channel: along an axis TensorFlow would transpose first; see `turned`.
    ordered = [tf.sort(tf.cast(level, tf.int32)) for level in tf.unstack(border, channels, axis=1)]
    colour = tf.stack([levels[tf.size(levels) // 2] for levels in ordered])
    before = (target - inner_size) // 2  # Below 0 where it is cropped.
    first, margin = tf.maximum(-before, 0), tf.maximum(before, 0)
    cut = inner[first[0] : first[0] + height, first[1] : first[1] + width]
    after = target - margin - tf.shape(cut)[:2]
    margins = tf.concat([tf.stack([margin, after], axis=1), [[0, 0]]], axis=0)
    return tf.cast(tf.pad(tf.cast(cut, tf.int32) - colour, margins) + colour, tf.uint8)


def _bounded(size: Any) -> Any:
    """Refuses a size that a picture is brought to before it is cropped, as `decode.fitted` does."""
    refusal = f"it becomes more than {MOST_PIXELS:,} pixels before it is cropped; crop it first"
    bound = tf.constant(MOST_PIXELS, tf.float64)
    return tf.debugging.assert_less_equal(tf.reduce_prod(size), bound, refusal)


def _in_blocks(function: Callable[[Any], Any], pixels: Any, channels: int) -> Any:
    """Applies a function from uint8 [h, w, D] to uint8 [h, new width, channels], row by row."""
    spec = tf.TensorSpec([None, None, channels], tf.uint8)
    results = tf.map_fn(function, _blocks(pixels), fn_output_signature=spec, parallel_iterations=1)
    rows = tf.reshape(results, [-1, tf.shape(results)[2], channels])
    return rows[: tf.shape(pixels)[0]]


def _blocks(pixels: Any) -> Any:
    """Rows in blocks, uint8 [blocks, rows, w, D]; below the last are zeros."""
    height, width, depth = tf.unstack(tf.shape(pixels))
    rows = tf.minimum(tf.maximum(_BLOCK // width, 1), height)
    count = -(-height // rows)
    padded = tf.pad(pixels, [[0, count * rows - height], [0, 0], [0, 0]])
    return tf.reshape(padded, [count, rows, width, depth])


def _flat(pixels: Any, paper: Any, channels: int) -> Any:
    """Puts pixels uint8 [h, w, 1 to 4] on paper; grey or in colours, uint8 [h, w, channels]."""
    colours, cover = _split(pixels)

    def covered() -> Any:  # As Pillow's integers do it.
        part = cover * 128
        mixed = colours * part + paper * (255 * 128 - part) + 128 * 128
        return tf.bitwise.right_shift(mixed + tf.bitwise.right_shift(mixed, 8), 15)

    colours = tf.cond(_has_alpha(pixels), covered, lambda: colours)
    is_grey = tf.equal(tf.shape(colours)[2], 1)
    if channels == 1:
        colours = tf.cond(is_grey, lambda: colours, lambda: _grey(colours))
    else:
        colours = tf.cond(is_grey, lambda: tf.tile(colours, [1, 1, 3]), lambda: colours)
    return tf.ensure_shape(tf.cast(colours, tf.uint8), [None, None, channels])


def _paper(pixels: Any) -> Any:
    """What lies below a transparent picture: white, or black where its ink is light itself."""

    def of_ink() -> Any:
        spec = tf.TensorSpec([2], tf.int64)
        sums = tf.map_fn(_ink, _blocks(pixels), fn_output_signature=spec, parallel_iterations=1)
        ink, total = tf.unstack(tf.reduce_sum(sums, axis=0))
        return tf.where(ink > 127 * tf.maximum(total, 1), 0, 255)

    return tf.cond(_has_alpha(pixels), of_ink, lambda: tf.constant(255))


def _ink(pixels: Any) -> Any:
    """The sums of grey times cover, and of cover, int64 [2]."""
    colours, cover = _split(pixels)
    grey = tf.cond(tf.equal(tf.shape(colours)[2], 1), lambda: colours, lambda: _grey(colours))
    products = tf.concat([grey * cover, cover], axis=2)
    return tf.reduce_sum(tf.cast(products, tf.int64), axis=[0, 1])


def _has_alpha(pixels: Any) -> Any:
    depth = tf.shape(pixels)[2]
    return tf.equal(depth, 2) | tf.equal(depth, 4)  # Grey and alpha, or RGBA.


def _split(pixels: Any) -> tuple[Any, Any]:
    """The colours and the last channel of a picture, int32 [h, w, 1 or 3] and [h, w, 1]."""
    values = tf.cast(pixels, tf.int32)
    depth = tf.shape(values)[2]
    return values[:, :, : depth - tf.cast(_has_alpha(pixels), tf.int32)], values[:, :, -1:]


def _grey(colours: Any) -> Any:
    """Pillow's grey of int32 [h, w, 3], [h, w, 1]."""
    red, green, blue = (colours[:, :, index : index + 1] * _GREY[index] for index in range(3))
    return tf.bitwise.right_shift(red + green + blue + (1 << 15), 16)


def _light_on_dark(image: Any) -> Any:
    """Inverts an image with a light border."""
    edges = [image[0], image[-1], image[:, 0], image[:, -1]]
    border = tf.reduce_mean(tf.cast(tf.concat(edges, axis=0), tf.float32))
    return tf.where(border > LIGHT, 255 - image, image)

"""The first frame of a GIF file, in the graph.

TensorFlow makes pixels of the transparent colour black. So it is given the file with a palette
in which colour number i is (i, i, i), and with no transparent colour: it answers with the numbers.
"""

from typing import Any, NamedTuple

import numpy as np

from ...base.tf import tf
from . import numbers

_SCREEN, _FLAGS, _PALETTE = 6, 10, 13
_BLOCK, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9
_RAMP = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()
_BYTES = bytes(range(256))


class _Frame(NamedTuple):
    """Where the first frame's parts begin, int32; -1 where there is none.

    Attributes:
      image: its descriptor.
      control: the flags that go before it.
    """

    image: Any
    control: Any


def decode(content: tf.Tensor) -> Any:
    """Decodes a file, string [], to uint8 [h, w, 3], or 4 where a colour is transparent.

    Raises:
      tf.errors.InvalidArgumentError: it is damaged, or its first frame is not all of the picture.
    """
    frame = _first_frame(content)
    extent = numbers.bytes_at(content, frame.image + 1, 8)
    screen = tf.concat([[0, 0, 0, 0], numbers.bytes_at(content, _SCREEN, 4)], 0)
    is_whole = tf.cond(
        tf.equal(tf.size(extent), tf.size(screen)),
        lambda: tf.reduce_all(tf.equal(extent, screen)),
        lambda: tf.constant(False),
    )
    refusal = "GIF whose first frame is not the whole picture cannot be decoded; make it a PNG"
    with tf.control_dependencies([tf.debugging.Assert(is_whole, [refusal])]):
        flags = numbers.unsigned(content, tf.maximum(frame.control, 0), 1)
    return tf.cond(
        (frame.control >= 0) & tf.equal(flags % 2, 1),
        lambda: _transparent(content, frame, flags),
        lambda: tf.io.decode_image(content, expand_animations=False),
    )


def _first_frame(content: tf.Tensor) -> _Frame:
    """Walks the blocks, and the blocks in them, up to the first image."""
    length = tf.strings.length(content)
    flags = numbers.unsigned(content, _FLAGS, 1)

    def follow(at: Any, inside: Any, image: Any, control: Any) -> tuple[Any, ...]:
        head = numbers.unsigned(content, at, 1)
        is_block = ~inside & tf.equal(head, _BLOCK)
        is_control = is_block & tf.equal(numbers.unsigned(content, at + 1, 1), _CONTROL)
        is_image = ~inside & tf.equal(head, _IMAGE)
        following = tf.where(is_block, at + 2, length)
        return (
            tf.where(inside, at + 1 + head, following),
            tf.where(inside, head > 0, is_block),
            tf.where(is_image, at, image),
            tf.where(is_control, at + 3, control),
        )

    start = _PALETTE + _palette_bytes(flags)
    _, _, image, control = tf.while_loop(
        lambda at, *_: at < length,
        follow,
        (start, tf.constant(False), tf.constant(-1), tf.constant(-1)),
        parallel_iterations=1,
    )
    return _Frame(image, control)


def _palette_bytes(flags: Any) -> Any:
    """Of the palette that flags state; 0 where there is none."""
    return tf.where(flags >= 128, tf.bitwise.left_shift(3, flags % 8 + 1), 0)


def _transparent(content: tf.Tensor, frame: _Frame, flags: Any) -> Any:
    """The frame with alpha, uint8 [h, w, 4]."""
    own = _palette_bytes(numbers.unsigned(content, frame.image + 9, 1))
    start = tf.where(own > 0, frame.image + 10, _PALETTE)
    size = tf.where(own > 0, own, _palette_bytes(numbers.unsigned(content, _FLAGS, 1)))
    palette = tf.reshape(numbers.bytes_at(content, start, size), [-1, 3])
    opaque = _replaced(content, frame.control, tf.strings.substr(_BYTES, flags - 1, 1))
    ramp = _replaced(opaque, start, tf.strings.substr(_RAMP, 0, size))
    indices = tf.cast(tf.io.decode_image(ramp, expand_animations=False)[:, :, 0], tf.int32)
    is_opaque = tf.not_equal(indices, numbers.unsigned(content, frame.control + 3, 1))
    alpha = 255 * tf.cast(is_opaque, tf.uint8)
    return tf.concat([tf.gather(tf.cast(palette, tf.uint8), indices), alpha[:, :, None]], axis=2)


def _replaced(content: tf.Tensor, start: Any, new: tf.Tensor) -> Any:
    """The bytes with others in the place of as many of them."""
    rest = start + tf.strings.length(new)
    tail = tf.strings.substr(content, rest, tf.strings.length(content) - rest)
    return tf.strings.join([tf.strings.substr(content, 0, start), new, tail])

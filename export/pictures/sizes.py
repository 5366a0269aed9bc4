"""How many pixels a picture file states, in the graph: a small one may fill all memory."""

from typing import Any

from ...base.pictures.config import MOST_PIXELS
from ...base.tf import tf
from . import numbers

# Where a PNG file has its width and height, each of four bytes, and a GIF file, each of two.
_PNG, _GIF = 16, 6
# A BMP file's, little-endian; one that begins at its top states a height below 0.
_BMP = 18
# A WebP file's: of the canvas less one, 3 bytes each; of a lossy picture, 14 of 16 bits each; of a
# lossless one less one, 14 bits each, side by side.
_WEBP_CHUNK, _WEBP_CANVAS, _WEBP_LOSSY, _WEBP_LOSSLESS = 12, 24, 26, 21
_14_BITS = (1 << 14) - 1


def within(content: tf.Tensor, most: int = MOST_PIXELS) -> tf.Tensor:
    """The same file, string [], if it states no more pixels than that.

    What its decoder does not read is left to that.

    Raises:
      tf.errors.InvalidArgumentError: it does.
    """
    sizes = {
        b"\xff\xd8\xff": lambda: tuple(tf.unstack(tf.io.extract_jpeg_shape(content)[:2], num=2)),
        b"\x89PNG": lambda: _pair(content, _PNG, 4, False),
        b"RIFF": lambda: _of_webp(content),
        b"BM": lambda: _pair(content, _BMP, 4, True),
        b"GIF8": lambda: _pair(content, _GIF, 2, True),
        b"": lambda: (tf.constant(0), tf.constant(0)),
    }
    one, other = tf.switch_case(numbers.kind(content, list(sizes)), list(sizes.values()))
    pixels = tf.abs(tf.cast(one, tf.int64) * tf.cast(other, tf.int64))
    refusal = f"too large a picture: over {most:,} pixels; scale it down first"
    bound = tf.constant(most, tf.int64)
    with tf.control_dependencies([tf.debugging.assert_less_equal(pixels, bound, refusal)]):
        return tf.identity(content)


def _pair(content: tf.Tensor, start: int, size: int, little: bool) -> tuple[Any, Any]:
    """Two numbers that follow one another."""
    return (
        numbers.unsigned(content, start, size, little),
        numbers.unsigned(content, start + size, size, little),
    )


def _of_webp(content: tf.Tensor) -> tuple[Any, Any]:
    kind = tf.strings.substr(tf.strings.join([content, bytes(16)]), _WEBP_CHUNK, 4)

    def lossless() -> tuple[Any, Any]:
        both = numbers.unsigned(content, _WEBP_LOSSLESS, 4, little=True)
        upper = tf.bitwise.bitwise_and(tf.bitwise.right_shift(both, 14), _14_BITS)
        return 1 + tf.bitwise.bitwise_and(both, _14_BITS), 1 + upper

    def lossy() -> tuple[Any, Any]:
        one, other = _pair(content, _WEBP_LOSSY, 2, True)
        return tf.bitwise.bitwise_and(one, _14_BITS), tf.bitwise.bitwise_and(other, _14_BITS)

    def canvas() -> tuple[Any, Any]:
        one, other = _pair(content, _WEBP_CANVAS, 3, True)
        return one + 1, other + 1

    return tf.case(
        [(tf.equal(kind, "VP8X"), canvas), (tf.equal(kind, "VP8L"), lossless)], default=lossy
    )

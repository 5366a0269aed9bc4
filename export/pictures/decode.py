"""A picture file to the pixels in it, in the graph, as Pillow reads them.

TensorFlow's decoders and Pillow's are the same libraries, but some of what they read they read
differently, and that is put right here. What cannot be is refused, as are the kinds of files
that TensorFlow does not know.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ...base.tf import tf
from . import gif, numbers, segments, sizes
from .segments import Segments

# In a BMP file (little-endian): the size of the header after the first 14 bytes; the pixels'
# bits and compression; the number of colours in the palette; the masks of red, green, blue, alpha.
_BMP_HEADER, _BMP_BITS, _BMP_COMPRESSION, _BMP_COLOURS, _BMP_MASKS = 14, 28, 30, 46, 54
# Headers of this size on state a mask of alpha.
_BMP_WITH_ALPHA = 56
_BITFIELDS = 3
# Of blue, green, red and alpha in this order.
_COLOUR_MASKS, _ALPHA_MASK = b"\0\0\xff\0\0\xff\0\0\xff\0\0\0", b"\0\0\0\xff"
# In a WebP file: the name of its first chunk, and, of `VP8X`, its flags and the one of animations.
_WEBP_CHUNK, _WEBP_FLAGS, _WEBP_ANIMATED = 12, 20, 2
# In a PNG file: the bits of a number, and what the numbers mean.
_PNG_BITS, _PNG_COLOUR = 24, 25


class Decoded(NamedTuple):
    """What is in a file.

    Attributes:
      pixels: uint8 [h, w, 1 to 4]: grey or colours, and perhaps alpha.
      orientation: EXIF's number, int32.
    """

    pixels: Any
    orientation: Any


def decode(content: tf.Tensor) -> Decoded:
    """Decodes a file, string []: PNG, JPEG, BMP, GIF (the first frame) or WebP.

    Raises:
      tf.errors.InvalidArgumentError: it is damaged, of no kind that is read, or too large.
    """
    content = sizes.within(content)
    kinds: list[tuple[bytes, Callable[[], tuple[Any, Segments]]]] = [
        (b"\xff\xd8\xff", lambda: _jpeg(content)),
        (b"\x89PNG\r\n\x1a\n", lambda: _png(content)),
        (b"RIFF", lambda: (_image(content), segments.of_webp(content))),
        (b"BM", lambda: (_bmp(content), segments.none())),
        (b"GIF8", lambda: (gif.decode(content), segments.none())),
        (b"", lambda: (_image(content), segments.none())),
    ]
    kind = numbers.kind(content, [magic for magic, _ in kinds])
    pixels, found = tf.switch_case(kind, [read for _, read in kinds])
    pixels = tf.ensure_shape(pixels, [None, None, None])
    return Decoded(pixels, segments.orientation(Segments(*found)))


def without_animation(content: tf.Tensor) -> tf.Tensor:
    """A file, string [], unless it is an animated WebP.

    Of one TensorFlow's decoder makes room for the first frame only, and writes all of them there:
    it overruns the memory of the process.

    Raises:
      tf.errors.InvalidArgumentError: it is one.
    """
    is_extended = tf.equal(
        numbers.unsigned(content, _WEBP_CHUNK, 4), int.from_bytes(b"VP8X", "big")
    )
    flags = numbers.unsigned(content, _WEBP_FLAGS, 1)
    is_animated = is_extended & tf.not_equal(tf.bitwise.bitwise_and(flags, _WEBP_ANIMATED), 0)
    with tf.control_dependencies(
        [tf.debugging.assert_equal(is_animated, False, "animated WebP: not read")]
    ):
        return tf.identity(content)


def _image(content: tf.Tensor) -> Any:
    """By TensorFlow's decoder of all kinds; it refuses what it does not know."""
    return tf.io.decode_image(without_animation(content), expand_animations=False)


def _jpeg(content: tf.Tensor) -> tuple[Any, Segments]:
    # As exactly as Pillow; TensorFlow's default is a quicker, coarser transform.
    pixels = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")
    return pixels, segments.of_jpeg(content)


def _png(content: tf.Tensor) -> tuple[Any, Segments]:
    pixels = tf.io.decode_png(content)
    found = segments.of_png(content)
    pixels = tf.cond(
        _has_transparent_colour(content, found),
        lambda: _without_colour(pixels, found.key),
        lambda: pixels,
    )
    return pixels, found


def _has_transparent_colour(content: tf.Tensor, found: Segments) -> tf.Tensor:
    """Whether one colour of a PNG without a palette or alpha is transparent.

    Where grey has 16 bits, Pillow takes no notice of it.
    """
    bits, colour = (
        numbers.unsigned(content, _PNG_BITS, 1),
        numbers.unsigned(content, _PNG_COLOUR, 1),
    )
    without_palette = (tf.equal(colour, 0) & (bits <= 8)) | tf.equal(colour, 2)
    return without_palette & (tf.strings.length(found.key) >= tf.where(tf.equal(colour, 0), 2, 6))


def _without_colour(pixels: Any, key: tf.Tensor) -> Any:
    """Adds alpha: 0 where a pixel is of the transparent colour."""
    channels = tf.shape(pixels)[2]
    pairs = tf.reshape(numbers.bytes_at(key, 0, 2 * channels), [1, 1, -1, 2])
    colour = numbers.of_bytes(pairs, False)
    is_other = tf.reduce_any(tf.cast(pixels, tf.int32) != colour, axis=2, keepdims=True)
    return tf.concat([pixels, 255 * tf.cast(is_other, tf.uint8)], axis=2)


def _bmp(content: tf.Tensor) -> Any:
    """With its palette, whose numbers TensorFlow takes for grey; with alpha where it is stated."""

    def number(offset: int, count: int) -> Any:
        return numbers.unsigned(content, offset, count, little=True)

    header, bits, compression = (
        number(_BMP_HEADER, 4),
        number(_BMP_BITS, 2),
        number(_BMP_COMPRESSION, 4),
    )
    with_masks = tf.equal(bits, 32) & tf.equal(compression, _BITFIELDS)
    # A file of one pixel may end before there would be masks.
    masks = tf.strings.substr(tf.strings.join([content, bytes(_BMP_MASKS + 16)]), _BMP_MASKS, 16)
    in_order = tf.equal(tf.strings.substr(masks, 0, 12), _COLOUR_MASKS)
    with_alpha = tf.equal(tf.strings.substr(masks, 12, 4), _ALPHA_MASK)
    with tf.control_dependencies(
        [
            tf.debugging.assert_greater_equal(header, 40, "BMP of a kind that is not read"),
            tf.debugging.assert_greater_equal(bits, 8, "BMP with less than 8 bits: not read"),
            tf.debugging.assert_equal(
                tf.equal(compression, 0) | (with_masks & in_order),
                True,
                "BMP that is compressed or in another order of colours: not read",
            ),
        ]
    ):
        pixels = _image(content)
    has_alpha = with_masks & (header >= _BMP_WITH_ALPHA) & with_alpha
    colours = number(_BMP_COLOURS, 4)
    colours = tf.where(tf.equal(colours, 0), 256, colours)
    palette = tf.reshape(numbers.bytes_at(content, 14 + header, 4 * colours), [-1, 4])

    def coloured() -> Any:  # Blue, green, red, and a byte of nothing.
        return tf.gather(tf.cast(palette[:, 2::-1], tf.uint8), tf.cast(pixels[:, :, 0], tf.int32))

    return tf.cond(
        tf.equal(bits, 8),
        coloured,
        lambda: tf.cond(has_alpha, lambda: pixels, lambda: pixels[:, :, :3]),
    )

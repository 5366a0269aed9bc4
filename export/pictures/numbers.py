"""Numbers in the bytes of a file, in the graph. Beyond the file's end are no bytes."""

from typing import Any

from ...base.tf import tf


def bytes_at(content: tf.Tensor, start: Any, count: Any) -> Any:
    """The bytes of a string from `start` on, int32 [count], or fewer at its end."""
    length = tf.strings.length(content)
    start = tf.clip_by_value(start, 0, length)
    part = tf.strings.substr(content, start, tf.clip_by_value(count, 0, length - start))
    return tf.cast(tf.io.decode_raw(part, tf.uint8), tf.int32)


def of_bytes(values: Any, little: Any) -> Any:
    """Numbers from their bytes, int32 [..., up to 4] to [...]; over 2^31 they are negative."""
    ordered = tf.where(little, values, tf.reverse(values, [-1]))
    places = 8 * tf.range(tf.shape(values)[-1])
    return tf.reduce_sum(tf.bitwise.left_shift(ordered, places), axis=-1)


def unsigned(content: tf.Tensor, start: Any, count: int, little: Any = False) -> Any:
    """The number in some bytes, int32; one over 2^31 is negative, as no size may be."""
    return of_bytes(bytes_at(content, start, count), little)


def kind(content: tf.Tensor, magics: list[bytes]) -> Any:
    """The number of the first of some texts that a file begins with, int32; the last is empty."""
    copies, lengths = tf.fill([len(magics)], content), [len(magic) for magic in magics]
    heads = tf.strings.substr(copies, [0] * len(magics), lengths)
    return tf.argmax(tf.cast(tf.equal(heads, magics), tf.uint8), output_type=tf.int32)

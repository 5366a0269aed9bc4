"""The examples in records: an image and its label each, which have to be the dataset's."""

from typing import Any

from ...base.tf import tf
from ..dataset import Dataset

# What a picture in TFDS's records begins with: PNG, JPEG, GIF, BMP. TensorFlow's decoder reads more
# kinds, and of an animated WebP it overruns the memory of the process.
_PICTURES = (b"\x89P", b"\xff\xd8", b"GI", b"BM")


def parse(
    dataset: Dataset, records: tf.Tensor, any_label: bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """Parses serialized `tf.Example`s (string [N]), as graph ops.

    Args:
      any_label: takes labels that are none of the dataset's classes too.

    Returns:
      Images uint8 [N, H, W, C] and labels int64 [N].
    """
    kinds = {"image": tf.string, "label": tf.int64}
    features = tf.io.parse_example(
        records, {name: tf.io.FixedLenFeature([], kind) for name, kind in kinds.items()}
    )
    height, width, channels = dataset.image_shape
    labels: Any = features["label"]
    if not any_label:
        labels = _of_classes(labels, dataset.num_classes)
    if dataset.encoding == "raw":
        pixels = tf.io.decode_raw(features["image"], tf.uint8)
        images = tf.reshape(pixels, [tf.shape(records)[0], height, width, channels])
    else:

        @tf.autograph.experimental.do_not_convert  # It would put words of its own into errors.
        def decode(content: tf.Tensor) -> tf.Tensor:
            return _picture(content, dataset.image_shape)

        images = tf.map_fn(
            decode,
            _decodable(features["image"]),
            fn_output_signature=tf.TensorSpec(dataset.image_shape, tf.uint8),
        )
    return images, labels


def _of_classes(labels: Any, classes: int) -> tf.Tensor:
    """Labels, int64 [N], each of which is the number of a class: 0 or more, below `classes`."""
    outside = (labels < 0) | (labels >= classes)
    first = tf.reduce_max(tf.where(outside, labels, tf.int64.min))
    cause = f"its label, {{}}, is none of the {classes:,} classes, 0 to {classes - 1}"
    return _checked(labels, ~tf.reduce_any(outside), cause, first)


def _picture(content: tf.Tensor, shape: tuple[int, int, int]) -> tf.Tensor:
    """A picture file of some shape, decoded."""
    image = tf.io.decode_image(content, shape[2], expand_animations=False)
    cause = f"its picture is {{}}, not {list(shape)}"
    return _checked(image, tf.reduce_all(tf.shape(image) == shape), cause, tf.shape(image))


def _checked(value: tf.Tensor, holds: Any, cause: str, *seen: Any) -> tf.Tensor:
    """A tensor, if what has to hold does; else a `tf.errors.OpError` that says why, and of what.

    An error of TensorFlow's own checks speaks of tensors where it is not of a graph.
    """
    words: Any = tf.strings.format(cause, seen)
    if tf.executing_eagerly():
        if not holds:
            raise tf.errors.InvalidArgumentError(None, None, words.numpy().decode())
        return value
    with tf.control_dependencies([tf.debugging.Assert(holds, [words])]):
        return tf.identity(value)


def _decodable(contents: Any) -> tf.Tensor:
    """Picture files, string [N]; a `tf.errors.OpError` if one is of another kind."""
    heads = tf.strings.substr(contents, 0, 2)[:, tf.newaxis]
    are_known = tf.reduce_any(tf.equal(heads, _PICTURES), axis=1)
    cause = (
        "a picture that is not PNG, JPEG, GIF or BMP; digitline prepare --image_size=HxW makes a "
        "copy, and reads others too"
    )
    return _checked(contents, tf.reduce_all(are_known), cause)

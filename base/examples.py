"""Records of images as `tf.Example` messages, written without TensorFlow.

Each field is a tag, a length and its content. The messages, of TensorFlow's example.proto and
feature.proto:

    Example { Features features = 1; }
    Features { map<string, Feature> feature = 1; }    a map's entry is { key = 1; value = 2; }
    Feature { BytesList bytes_list = 1; Int64List int64_list = 3; }    each is { value = 1; }

Source: https://protobuf.dev/programming-guides/encoding/.
"""


def image_example(image: bytes, label: int | None = None) -> bytes:
    """A record as prepared datasets hold it, serialized.

    Args:
      image: the feature `image`: raw uint8 pixels [H, W, C], or a PNG or JPEG file.
      label: the feature `label`, a class number; None leaves it out.
    """
    features = _entry(b"image", 1, image)
    if label is not None:
        features += _entry(b"label", 3, _varint(label))
    return _field(1, features)


def _entry(name: bytes, kind: int, value: bytes) -> bytes:
    feature = _field(kind, _field(1, value))
    return _field(1, _field(1, name) + _field(2, feature))


def _field(number: int, content: bytes) -> bytes:
    """A field whose content has a length: bytes, a message, or packed numbers."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """A whole number of 0 or more, seven bits a byte, the lowest first."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)

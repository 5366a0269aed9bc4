"""Records of images in TFRecord files, written and read without TensorFlow.

A record in a file is its length (8 bytes, little-endian), a masked CRC-32C of those bytes, the
content, and a masked CRC-32C of the content. The content is a `tf.Example`, of TensorFlow's
example.proto and feature.proto, in which each field is a tag, a length and its content:

    Example { Features features = 1; }
    Features { map<string, Feature> feature = 1; }    a map's entry is { key = 1; value = 2; }
    Feature { BytesList bytes_list = 1; Int64List int64_list = 3; }    each is { value = 1; }

Sources: https://www.tensorflow.org/tutorials/load_data/tfrecord,
https://protobuf.dev/programming-guides/encoding/.
"""

import functools
import mmap
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import google_crc32c

# What a record takes in the file beside its content, in bytes.
FRAME_BYTES = 16
CHECKSUM_BYTES = 4


def framed(content: bytes) -> bytes:
    """A record as a TFRecord file holds it."""
    return _head(len(content)) + content + checksum(content)


def checksum(content: bytes) -> bytes:
    """The masked CRC-32C, 4 bytes: rotated and offset, since files hold checksums of checksums."""
    return _masked(google_crc32c.value(content))


def checksum_of(parts: Iterable[bytes]) -> bytes:
    """The checksum of a content that comes in parts."""
    return _masked(functools.reduce(google_crc32c.extend, parts, 0))


def _masked(crc: int) -> bytes:
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def contents(path: Path, count: int) -> Iterator[bytes | str]:
    """The content of each of a file's first `count` records, or in words what is wrong with it.

    Where a content is damaged, the next record is still found by the length; where a length is,
    or the file ends, all that follow are lost.
    """
    content = path.read_bytes() if path.is_file() else b""
    position = 0
    for number in range(count):
        head = content[position : position + 12]
        if head[8:] != checksum(head[:8]):
            cause = "damaged length or end of file" if path.is_file() else "the file is missing"
            yield from [cause] * (count - number)
            return
        end = position + 12 + struct.unpack("<Q", head[:8])[0]
        body = content[position + 12 : end]
        position = end + 4
        yield body if content[end:position] == checksum(body) else "damaged content"


def overlong(path: Path) -> int | None:
    """The number of the first record that states more bytes than its whole file has.

    TensorFlow's reader asks for that much memory first, and its process ends where there is none.
    What is damaged, or cut off, it sees by itself: after such a record, nothing is looked for.
    """
    size = path.stat().st_size if path.is_file() else 0
    if not size:
        return None
    steps: dict[bytes, int] = {}  # By the head of a record: few lengths are many records'.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        position = number = 0
        while position + 12 <= size:
            head = content[position : position + 12]
            step = steps.get(head)
            if step is None:
                if head[8:] != checksum(head[:8]):
                    break
                step = steps[head] = struct.unpack("<Q", head[:8])[0] + FRAME_BYTES
                if step > size + FRAME_BYTES:
                    return number
            position, number = position + step, number + 1
    return None


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


@functools.lru_cache(maxsize=256)
def _head(length: int) -> bytes:
    encoded = struct.pack("<Q", length)
    return encoded + checksum(encoded)


def _entry(name: bytes, kind: int, value: bytes) -> bytes:
    feature = _field(kind, _field(1, value))
    return _field(1, _field(1, name) + _field(2, feature))


def _field(number: int, content: bytes) -> bytes:
    """A field whose content has a length: bytes, a message, or packed numbers."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """A whole number of 0 or more, seven bits a byte, the lowest first."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)

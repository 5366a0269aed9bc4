"""The frame of a record in a TFRecord file, without TensorFlow.

A record is its length (8 bytes, little-endian), a masked CRC-32C of those bytes, the
content, and a masked CRC-32C of the content.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

import functools
import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

# What a record takes in the file beside its content, in bytes.
FRAME_BYTES = 16


def framed(content: bytes) -> bytes:
    """A record as a TFRecord file holds it."""
    return _head(len(content)) + content + checksum(content)


def checksum(content: bytes) -> bytes:
    """The masked CRC-32C, 4 bytes: rotated and offset, since files hold checksums of checksums."""
    crc = google_crc32c.value(content)
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


@functools.lru_cache(maxsize=256)
def _head(length: int) -> bytes:
    encoded = struct.pack("<Q", length)
    return encoded + checksum(encoded)

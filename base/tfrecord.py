"""The frame of a record in a TFRecord file, without TensorFlow.

A record is its length (8 bytes, little-endian), a masked CRC-32C of those bytes, the
content, and a masked CRC-32C of the content.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord.
"""

import functools
import struct

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


@functools.lru_cache(maxsize=256)
def _head(length: int) -> bytes:
    encoded = struct.pack("<Q", length)
    return encoded + checksum(encoded)

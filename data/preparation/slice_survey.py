"""What a worker notes of the images that it writes, for the short form of `inspect`'s checks."""

import array
import dataclasses
import hashlib

import numpy as np

from ..inspection.duplicates import KEY

# Images that are compared with each other, of all slices; a note is 16 bytes.
COMPARED = 1 << 23
_DIGEST_BYTES = 12
# Channels that differ by no more than this, as JPEG leaves them, are grey to the eye.
_UNSEEN = 2
_DARK = 32


@dataclasses.dataclass
class SliceSurvey:
    """Of one split in a slice.

    Attributes:
      labels: of all images, in order.
      digests: 12 bytes each of the pixels of the first images.
      blank: the numbers of those whose pixels are all the same.
      is_grey: whether none has a pixel of a colour that is seen.
      is_dark: whether none has a pixel that is not nearly black.
    """

    labels: array.array = dataclasses.field(default_factory=lambda: array.array("i"))
    digests: bytearray = dataclasses.field(default_factory=bytearray)
    blank: array.array = dataclasses.field(default_factory=lambda: array.array("q"))
    is_grey: bool = True
    is_dark: bool = True

    def add(self, pixels: bytes, label: int, channels: int, at_most: int) -> None:
        """Notes an image; its digest only if there are not `at_most` yet."""
        if pixels == pixels[:channels] * (len(pixels) // channels):
            self.blank.append(len(self.labels))
        if self.is_dark:
            self.is_dark = max(pixels) < _DARK
        if self.is_grey and channels > 1:
            levels = np.frombuffer(pixels, np.uint8).reshape(-1, channels)
            self.is_grey = bool(np.ptp(levels, axis=1).max() <= _UNSEEN)
        if len(self.labels) < at_most:
            self.digests += hashlib.blake2b(pixels, digest_size=_DIGEST_BYTES).digest()
        self.labels.append(label)

    @property
    def keys(self) -> np.ndarray:
        """What `duplicates.find` takes."""
        digests = np.frombuffer(bytes(self.digests), [("high", "<u8"), ("low", "<u4")])
        keys = np.empty(len(digests), KEY)
        keys[["high", "low"]] = digests
        keys["label"] = np.asarray(self.labels)[: len(digests)]
        return keys

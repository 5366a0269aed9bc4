"""What is known of public datasets: where they come from, and how to tell them from others."""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np

from ..base.errors import DataError


@dataclasses.dataclass(frozen=True)
class KnownSplit:
    """How a split's bytes are recognized.

    Attributes:
      examples: number of images.
      label_counts: number of images of each class.
      images_sha256: digest of the pixels, row by row, image by image.
      labels_sha256: digest of the labels, one byte each.
    """

    examples: int
    label_counts: tuple[int, ...]
    images_sha256: str
    labels_sha256: str


@dataclasses.dataclass(frozen=True)
class KnownDataset:
    """A public dataset.

    Attributes:
      name: as TFDS calls it.
      version: of the TFDS builder whose content ours equals.
      label_names: by class number.
      splits: by split name.
      description, homepage, citation: for `dataset_info.json`.
    """

    name: str
    version: str
    label_names: tuple[str, ...]
    splits: Mapping[str, KnownSplit]
    description: str
    homepage: str
    citation: str


# The digests are of MNIST's own four files, whose MD5, unpacked, are
# 6bbc9ace898e44ae57da46a324031adb  train-images-idx3-ubyte
# a25bea736e30d166cdddb491f175f624  train-labels-idx1-ubyte
# 2646ac647ad5339dbf082846283269ea  t10k-images-idx3-ubyte
# 27ae3e4e09519cfbb04c329615203637  t10k-labels-idx1-ubyte
MNIST = KnownDataset(
    name="mnist",
    version="3.0.1",
    label_names=tuple("0123456789"),
    splits={
        "train": KnownSplit(
            examples=60_000,
            label_counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
            images_sha256="741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            labels_sha256="1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        ),
        "test": KnownSplit(
            examples=10_000,
            label_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
            images_sha256="6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            labels_sha256="ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        ),
    },
    description="The MNIST database of handwritten digits.",
    homepage="http://yann.lecun.com/exdb/mnist/",
    citation=(
        "Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits. "
        "http://yann.lecun.com/exdb/mnist/"
    ),
)

DATASETS = {MNIST.name: MNIST}


def check(
    known: KnownDataset,
    split: str,
    images: np.ndarray,
    labels: np.ndarray,
    images_origin: str,
    labels_origin: str,
) -> None:
    """Refuses a split that is not, byte for byte, the known one.

    Args:
      known: what to expect.
      split: the split's name.
      images: uint8 [N, H, W, C].
      labels: int64 [N].
      images_origin, labels_origin: the files they came from, for errors.

    Raises:
      DataError: counts or digests differ; says which file, what was expected and what came.
    """
    expected = known.splits[split]
    if len(images) != expected.examples:
        raise DataError(
            f"{images_origin}: not the {split} split of {known.name}: "
            f"expected {expected.examples:,} images, got {len(images):,}"
        )
    counts = np.bincount(labels, minlength=len(expected.label_counts))
    if tuple(counts) != expected.label_counts:
        raise DataError(
            f"{labels_origin}: not the {split} labels of {known.name}: expected "
            f"{list(expected.label_counts)} images of each class, got {counts.tolist()}"
        )
    for what, array, digest, origin in (
        ("labels", labels.astype(np.uint8), expected.labels_sha256, labels_origin),
        ("pixels", images, expected.images_sha256, images_origin),
    ):
        found = hashlib.sha256(array.tobytes()).hexdigest()
        if found != digest:
            raise DataError(
                f"{origin}: not the {split} {what} of {known.name}: "
                f"expected SHA-256 {digest}, got {found}"
            )

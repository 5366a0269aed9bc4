"""What is known of public datasets: where they come from, and how to tell them from others."""

import dataclasses
import hashlib
import string
from collections.abc import Mapping

import numpy as np

from ...base.errors import DataError
from .raw import RawSplit


@dataclasses.dataclass(frozen=True)
class KnownSplit:
    """How a split's bytes are recognized. What is None was not verified, and is not checked.

    The digests are of the pixels, row by row, and of the labels, one byte each.
    """

    examples: int
    images_sha256: str | None = None
    labels_sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class KnownDataset:
    """A public dataset.

    Attributes:
      name: as TFDS calls it.
      version: of the TFDS builder whose content ours equals.
      splits: by split name; one that is not there is not checked.
      description, homepage, citation: for `dataset_info.json`.
      transposed: whether the files hold columns where others hold rows.
      first_label: the number that the files give to class 0.
      hint: where else the files can be had.
    """

    name: str
    version: str
    label_names: tuple[str, ...]
    splits: Mapping[str, KnownSplit]
    description: str
    homepage: str
    citation: str
    transposed: bool = False
    first_label: int = 0
    hint: str = ""


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
            images_sha256="741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            labels_sha256="1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        ),
        "test": KnownSplit(
            examples=10_000,
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

# The digests are of the four files in Debian's package dataset-fashion-mnist, whose MD5,
# unpacked, are f4a8712d7a061bf5bd6d2ca38dc4d50a (training images),
# 9018921c3c673c538a1fc5bad174d6f9, 8181f5470baa50b63fa0f6fddb340f0a,
# 15d484375f8d13e6eb1aabb0c3f46965 (test labels).
FASHION_MNIST = KnownDataset(
    name="fashion_mnist",
    version="3.0.1",
    label_names=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    splits={
        "train": KnownSplit(
            examples=60_000,
            images_sha256="2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            labels_sha256="657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        ),
        "test": KnownSplit(
            examples=10_000,
            images_sha256="c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            labels_sha256="3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        ),
    },
    description="Fashion-MNIST: Zalando's article images in MNIST's form.",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    citation="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST. arXiv:1708.07747, 2017.",
    hint="Debian's package dataset-fashion-mnist puts the files into "
    "/usr/share/datasets/fashion-mnist",
)  # fmt: skip

# No verified bytes of it were at hand: only the numbers of images are checked.
KMNIST = KnownDataset(
    name="kmnist",
    version="3.0.1",
    label_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    splits={"train": KnownSplit(60_000), "test": KnownSplit(10_000)},
    description="Kuzushiji-MNIST: ten characters of cursive Japanese in MNIST's form.",
    homepage="http://codh.rois.ac.jp/kmnist/",
    citation="T. Clanuwat and others: Deep Learning for Classical Japanese Literature. "
    "arXiv:1812.01718, 2018.",
)

_CAPITALS = tuple(string.ascii_uppercase)
_MERGED = (*string.digits, *_CAPITALS, *"abdefghnqrt")
# By configuration: label names, then the number of images where all releases agree.
# The letters came as 88,800 and 14,800 images, later as 124,800 and 20,800.
_EMNIST = {
    "byclass": ((*string.digits, *_CAPITALS, *string.ascii_lowercase), (697_932, 116_323)),
    "bymerge": (_MERGED, (697_932, 116_323)),
    "balanced": (_MERGED, (112_800, 18_800)),
    "letters": (_CAPITALS, None),
    "digits": (tuple(string.digits), (240_000, 40_000)),
    "mnist": (tuple(string.digits), (60_000, 10_000)),
}


def _emnist(config: str) -> KnownDataset:
    names, counts = _EMNIST[config]
    splits = zip(("train", "test"), map(KnownSplit, counts or ()), strict=False)
    return KnownDataset(
        name=f"emnist/{config}",
        version="3.1.1",  # TFDS's 3.1.0 is not turned upright: this one is newer.
        label_names=names,
        splits=dict(splits),
        description=f"EMNIST {config}: handwritten characters in MNIST's form, turned upright.",
        homepage="https://www.nist.gov/itl/products-and-services/emnist-dataset",
        citation="G. Cohen, S. Afshar, J. Tapson, A. van Schaik: EMNIST: an extension of MNIST "
        "to handwritten letters. arXiv:1702.05373, 2017.",
        transposed=True,
        first_label=1 if config == "letters" else 0,
    )


DATASETS = {known.name: known for known in (MNIST, FASHION_MNIST, KMNIST, *map(_emnist, _EMNIST))}


def check(
    known: KnownDataset, split: str, raw: RawSplit, images_origin: object, labels_origin: object
) -> None:
    """Refuses a split that is not, as far as that is known byte for byte, the known one.

    Raises:
      DataError: counts or digests differ; says which file (`images_origin`, `labels_origin`),
        what was expected and what came.
    """
    expected = known.splits.get(split)
    if expected is None:
        return
    if len(raw.images) != expected.examples:
        raise DataError(
            f"{images_origin}: not the {split} split of {known.name}: "
            f"expected {expected.examples:,} images, got {len(raw.images):,}"
        )
    for what, array, digest, origin in (
        ("labels", raw.labels.astype(np.uint8), expected.labels_sha256, labels_origin),
        ("pixels", raw.images, expected.images_sha256, images_origin),
    ):
        if digest and digest != (computed := hashlib.sha256(array.tobytes()).hexdigest()):
            raise DataError(
                f"{origin}: not the {split} {what} of {known.name}: "
                f"expected SHA-256 {digest}, got {computed}"
            )

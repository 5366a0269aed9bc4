"""How a picture file becomes an image of a dataset, as a value that travels along the line.

It is recorded in the dataset's metadata when it is prepared, and from there in the run's
configuration, in the exports and in their manifests. Whoever turns a picture into a model's
input (`prepare`, `predict`, the server's page, `predict_bytes`, the gate) does what it says.
"""

import dataclasses

FITS = ("pad", "crop", "stretch")
# The side of the image that a digit is put into, unless the user says another.
DIGIT_SIDE = 28
# MNIST and what was made to take its place: grey things, light on black, in 28x28 pixels. The
# first are characters that were made of scans as MNIST's were: in a box of 20 pixels, centred by
# mass.
_AS_MNIST = ("mnist", "qmnist", "emnist")
_OF_THINGS = ("fashion_mnist",)
_IN_ITS_PLACE = (*_AS_MNIST, *_OF_THINGS, "kmnist")
MNIST_SHAPE = (28, 28, 1)
# Of a picture file: a small one can state any number, and each takes some bytes of memory. From
# here on Pillow warns; most cameras stay below it.
MOST_PIXELS = 89_478_485


@dataclasses.dataclass(frozen=True)
class PictureConfig:
    """What is done with a picture, after it is turned as EXIF says and put on paper.

    Attributes:
      image_shape: (height, width, channels) of the image; 1 or 3 channels.
      fit: how a picture of another aspect gets there. `pad`: whole, between margins of the
        colour of its border. `crop`: its middle. `stretch`: whole, its aspect not kept.
      digits: whether it holds a digit that is to be found: made light on black, and in a picture
        of another size cut out, scaled and centred as MNIST's are. Then `fit` does not count.
      scale: what the numbers of the dataset's table or arrays were multiplied by, 1 or 255; 0 where
        it was not made of such, or that is not known.
    """

    image_shape: tuple[int, int, int]
    fit: str = "stretch"
    digits: bool = False
    scale: int = 0

    def __post_init__(self):
        if self.fit not in FITS:
            raise ValueError(f"Expected fit to be one of {FITS}. Received: {self.fit!r}")


def of_array(
    shape: tuple[int, int, int],
    image_size: tuple[int, int] | None,
    channels: int | None,
    fit: str,
    digits: bool,
) -> PictureConfig:
    """For a dataset of images that are pixels already, of a shape (height, width, channels).

    Args:
      shape: of the images.
      image_size, channels: what the user wants, if anything.
      fit, digits: of the result.
    """
    # In an image that keeps its size no digit is sought: so small, it is one as MNIST's.
    height, width, depth = shape
    is_sheet = digits and max(height, width) > DIGIT_SIDE
    own = (DIGIT_SIDE, DIGIT_SIDE) if is_sheet else (height, width)
    height, width = image_size or own
    return PictureConfig((height, width, channels or (1 if digits else depth)), fit, digits)


def unrecorded(name: str, image_shape: tuple[int, int, int]) -> PictureConfig:
    """For a dataset that records none: what it was prepared by before there were records.

    Args:
      name: of the dataset, with a configuration such as `emnist/letters`.
      image_shape: (height, width, channels) of its images.
    """
    return PictureConfig(image_shape, digits=name.partition("/")[0] in _AS_MNIST)


def is_like_mnist(name: str, image_shape: tuple[int, int, int]) -> bool:
    """Whether what was chosen on MNIST's images fits those of a dataset too.

    Args:
      name: of the dataset, with a configuration such as `emnist/letters`.
      image_shape: (height, width, channels) of its images.
    """
    return name.partition("/")[0] in _IN_ITS_PLACE and image_shape == MNIST_SHAPE


def is_of_things(name: str) -> bool:
    """Whether a dataset that was made to take MNIST's place shows things, not characters."""
    return name.partition("/")[0] in _OF_THINGS

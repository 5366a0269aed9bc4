"""How people's own files are read: the options that `prepare` and `train --data` share."""

import dataclasses
import re
from pathlib import Path

from ...base.command_flags import flag
from ...base.errors import UsageError
from ...base.pictures.config import FITS

# The title of these flags in `--help`.
FILES_GROUP = "Image folders, CSV files, and pictures of many sizes"

_SIZE = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFiles:
    """The options; the help texts of the flags say what each field means."""

    name: str | None = flag(
        None,
        "Name of the prepared dataset (default: made of the folder's or file's).",
        group=FILES_GROUP,
    )
    source_dir: Path | None = flag(
        None,
        "The folder of the pictures that a CSV file of rows file,label names (default: found "
        "beside the file).",
        group=FILES_GROUP,
        remote=True,
    )
    label_column: str | None = flag(
        None,
        "Of a CSV file, the column of the labels: its name, or its number from 0 (-1: the last). "
        "By default it is found by its name or its values, and said.",
        group=FILES_GROUP,
    )
    image_size: str | None = flag(
        None,
        "Height and width, such as 32x32. Pictures of another size are resized (default: their "
        "own size; where they differ or are large, a square that suits them; with --digits "
        "28x28). Of a CSV file: the rows' shape, if it is not square. Of a dataset of TFDS: a copy "
        "in that size is made, called <name>_<size>.",
        group=FILES_GROUP,
    )
    channels: str | None = flag(
        None,
        "1 makes all pictures grey, 3 all colour (default: 3 if any is stored in colour).",
        group=FILES_GROUP,
        words=("1", "3"),
    )
    fit: str = flag(
        "pad",
        "How a picture of another aspect gets the images' size. pad: whole, between margins of the "
        "colour of its border. crop: its middle. stretch: whole, its aspect not kept.",
        group=FILES_GROUP,
        words=FITS,
    )
    digits: bool = flag(
        False,
        "Each picture holds a digit or letter, written or photographed: it is found, made light on "
        "black, cut out and centred as MNIST's are, here and wherever the model is used.",
        group=FILES_GROUP,
    )
    validation_fraction: float | None = flag(
        None,
        "Share of each class's training examples that becomes the validation split (default: 0.1 "
        "where the source has none of its own, else 0).",
        group=FILES_GROUP,
        at_least=0,
        at_most=1,
    )
    test_fraction: float | None = flag(
        None,
        "Share of each class's training examples that becomes the test split (default: 0.1 "
        "where the source has no split but train, else 0).",
        group=FILES_GROUP,
        at_least=0,
        at_most=1,
    )
    split_seed: int = flag(0, "Seed of that cut.", group=FILES_GROUP, at_least=0)
    max_corrupt_images: int = flag(
        0,
        "Up to this many pictures or rows that do not decode are left out, counted and listed.",
        group=FILES_GROUP,
        at_least=0,
    )

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width), or None."""
        return None if self.image_size is None else _parse_size(self.image_size)

    @property
    def depth(self) -> int | None:
        """The number of channels: 1, 3 or None."""
        return int(self.channels) if self.channels else None


def _parse_size(text: str) -> tuple[int, int]:
    """(height, width) of `28x32`, or of `28`, a square."""
    match = _SIZE.fullmatch(text.lower())
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (height and width):
        raise UsageError(f"--image_size={text}: expected HEIGHTxWIDTH in pixels, such as 28x28")
    return height, width

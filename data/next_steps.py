"""What to do with a prepared dataset: the command to go on with, as it is to be typed."""

from collections.abc import Sequence
from pathlib import Path

from ..base import command

# `train`'s own network looks at 32x32 pixels. Images of four times as many lose what is small in
# them; this network takes them in their own size.
_PIXELS, _FOR_LARGE = 4 * 32 * 32, "convnet3"


def train(name: str, data_dir: Path, image_shape: Sequence[int]) -> str:
    """The command that trains on a dataset.

    Args:
      name: of the dataset.
      data_dir: of prepared datasets.
      image_shape: (height, width, channels).
    """
    network = [f"--model={_FOR_LARGE}"] if image_shape[0] * image_shape[1] >= _PIXELS else []
    words = (f"--dataset={name}", f"--data_dir={data_dir}", *network)
    return command.command_line("train", *words)

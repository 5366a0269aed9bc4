"""What to do with a prepared dataset: the command to go on with, as it is to be typed."""

from pathlib import Path

from ..base import command


def train(name: str, data_dir: Path) -> str:
    """The command that trains on a dataset."""
    return command.command_line("train", f"--dataset={name}", f"--data_dir={data_dir}")

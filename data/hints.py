"""What to do about a dataset that is not there: commands that run as they are printed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..base.command import command_line
from ..base.command_flags import closest, nearest
from ..base.tf import tfds
from . import listing


def not_prepared(data_dir: Path, name: str) -> str:
    """What to do about a dataset that is not prepared; names nothing that is refused."""
    public = tfds.list_builders(with_community_datasets=False)
    if _is_public(name, public):
        return f": run {prepare(data_dir, name)}"
    there = listing.names(data_dir)
    hint = nearest(name, there)
    if not hint and (like := closest(name, public, likeness=0.75)):
        hint = f"; did you mean {like}? {prepare(data_dir, like)} prepares it"
    return (
        f"{hint} (prepared there: {', '.join(there) or 'nothing'}; images of your own: "
        f"{command_line('train', '--data=PATH')})"
    )


def _is_public(name: str, public: Iterable[str]) -> bool:
    """Whether TFDS has this dataset, with this configuration."""
    short, _, config = name.partition("/")
    if short not in public:
        return False
    builder_class: Any = tfds.builder_cls(short)
    return not config or config in [entry.name for entry in builder_class.BUILDER_CONFIGS]


def prepare(data_dir: Path, name: str, *more: str) -> str:
    """The command that prepares a dataset."""
    return command_line("prepare", f"--dataset={name}", f"--data_dir={data_dir}", *more)

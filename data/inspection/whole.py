"""Whether the files of a dataset are, to the last byte, what was written when it was prepared."""

from collections.abc import Callable

from ..dataset import Dataset
from ..metadata import prepare_again
from .checks import Check

NOT_RECORDED = (
    "what its files were is not recorded, since TFDS itself or an earlier version wrote them: only "
    "the checksums of its records were held against them"
)


def check(dataset: Dataset, advance: Callable[[int], object]) -> Check | None:
    """Holds the digest of each file against the metadata; None where they state none.

    Args:
      advance: is told of each file that is done.
    """
    stated = dataset.metadata.files
    if not stated:
        return None
    wrong = []
    for name, digest in stated.items():
        path = dataset.directory / name
        cause = digest.whole_difference(path) if path.is_file() else "it is missing"
        if cause:
            wrong.append(f"{path} ({cause})")
        advance(1)
    details = f"all {len(stated):,} files are what was written"
    if wrong:
        details = f"not what was written: {', '.join(wrong)}; {prepare_again(dataset.name)}"
    return Check("files", not wrong, details)

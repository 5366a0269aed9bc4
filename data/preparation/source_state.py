"""The state of the files that a dataset is made of, so that a later change is noticed.

It is of names, sizes and times, not of content, so it costs little: a change that
keeps all three goes unnoticed, and a file that was only touched counts as changed.
"""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from ...base import command
from ...base.errors import DataError
from ...base.files import JsonObject
from .. import listing
from ..metadata import Metadata
from ..sources import folder_layout, idx
from ..sources.tables import csv_files, picture_finder

# The key of the state in what a dataset was made of; datasets from before there was one lack it.
FILES = "files"
# What is made of files that people have; a public dataset where they are IDX files, and a copy of
# one that TFDS has written.
_KINDS = ("image_folder", "csv", "npz", "file_table", "public", "tfds")
# The key of the command that it was prepared by.
ASKED_BY = "asked_by"
# The key, in a dataset's metadata, of what lay among its files and was not used.
LEFT_OUT = "left_out"
# The key of the `survey.Survey` of what was written.
SURVEY = "survey"


class ChangedError(DataError):
    """The files that a dataset was prepared from have changed."""


def state(kind: str, place: Path, pictures: Path | None = None) -> JsonObject | None:
    """What the files look like; of a table of files, the `pictures` in their folder too.

    Returns:
      `number` and `bytes` of the files and a `digest` of their names, sizes and times; None
      without files of people's own (they may be gone once they are prepared).

    Raises:
      DataError: the folder is not of the form.
    """
    if not place.exists() or kind not in _KINDS:
        return None
    digest = hashlib.sha256()
    number = total = 0
    files = _files(kind, place)
    if kind == "file_table" and pictures:
        files = itertools.chain(files, picture_finder.pictures_below(pictures))
    for path in files:
        try:
            status = path.stat()
        except OSError:  # A link to nothing; whoever reads it says so.
            size, time = 0, 0
        else:
            size, time = status.st_size, status.st_mtime_ns
        name = path.name if place.is_file() else path.relative_to(place)
        digest.update(os.fsencode(name) + f"\0{size} {time}\0".encode())
        number, total = number + 1, total + size
    if not number and kind == "public":
        return None
    return {"number": number, "bytes": total, "digest": digest.hexdigest()[:16]}


def check_same(
    expected: JsonObject, metadata: Metadata, directory: Path, max_corrupt_images: int
) -> None:
    """Refuses to take a prepared dataset for one that was made of something else.

    Args:
      expected: a request's `recorded_source`.
      metadata, directory: of the dataset.
      max_corrupt_images: how many the dataset may have left out.

    Raises:
      ChangedError: it was made of the same place, whose files have changed since; or `train`
        made it, by other options.
      DataError: it was made of another place, or in another way; names the first difference.
    """
    # What was not recorded at the time is taken to be the same.
    unrecorded = {key: expected.get(key) for key in ("fit", "digits")}
    recorded = {**unrecorded, **metadata.source}
    by_train = expected.get(ASKED_BY) == "train"
    # The place first: what was made of another one is not made again in passing.
    for key, value in sorted(expected.items(), key=lambda item: item[0] != "place"):
        if key in (FILES, ASKED_BY) or recorded.get(key) == value:
            continue
        if by_train and recorded.get(ASKED_BY) == "train" and key != "place":  # By default.
            raise ChangedError(
                f"{directory} was prepared with {key} {recorded.get(key)}, not {value}"
            )
        raise DataError(
            f"{directory} was prepared with another {key} ({recorded.get(key)}, not {value}): give "
            f"this one another name with --name, or replace that one with {command.program()} "
            "prepare --overwrite",
            option="name",
        )
    left_out = metadata.damaged.count if metadata.damaged else 0
    if left_out > max_corrupt_images:
        raise ChangedError(
            f"{directory} was prepared without {left_out:,} damaged pictures or rows, more than "
            f"--max_corrupt_images={max_corrupt_images}",
            option="max_corrupt_images",
        )
    before, now = recorded.get(FILES), expected[FILES]
    if before and now and before != now:
        advice = ": replace that one with --overwrite, or give this one another name with --name"
        raise ChangedError(
            f"{expected['place']} has changed since {directory} was prepared from it"
            f"{'' if by_train else advice}",
            option="overwrite",
        )


def _files(kind: str, place: Path) -> Iterator[Path]:
    """The files that are read, in an order that does not change."""
    if place.is_file():
        yield place
    elif kind == "public":
        with contextlib.suppress(DataError):  # They are gone.
            yield from sorted(idx.find_idx_files(place).values())
    elif kind == "tfds":
        directory = listing.newest(place.parent, place.name)
        yield from sorted(path for path in (directory or place).iterdir() if path.is_file())
    elif kind == "csv":
        yield from csv_files.find(place).values()
    elif kind == "file_table":
        yield from picture_finder.tables_of(place).by_split.values()
    elif kind == "image_folder":
        layout = folder_layout.look(place)
        for split in sorted(layout.folders):
            for label in layout.label_names:
                for name in layout.names(split, label):
                    yield place / name

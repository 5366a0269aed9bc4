"""Which versions of a model to serve: what its folder holds, and what the policy takes of it."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...base.export_layout import SAVED_MODEL_FILE, TFLITE_FILE

SAVED_MODEL_FILES = (SAVED_MODEL_FILE, f"{SAVED_MODEL_FILE}txt")

_NUMBER = re.compile(r"[0-9]+")
_LARGEST = 2**63 - 1  # Of an int64, which is what requests carry.


@dataclasses.dataclass(frozen=True)
class Latest:
    """The highest `count` versions."""

    count: int = 1


@dataclasses.dataclass(frozen=True)
class All:
    """All versions that are there."""


@dataclasses.dataclass(frozen=True)
class Specific:
    """These versions and no others."""

    versions: tuple[int, ...]


Policy = Latest | All | Specific


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a model's folder holds.

    Attributes:
      versions: the folder of each version by its number.
      notes: what looks like a version and is none, a line each.
    """

    versions: Mapping[int, Path]
    notes: tuple[str, ...] = ()


def find(base_path: Path, files: Sequence[str] = (*SAVED_MODEL_FILES, TFLITE_FILE)) -> Listing:
    """Lists the versions of a model.

    A version is a folder whose name is a number, leading zeros allowed, and that
    holds a model's file; one that is still being written has none yet.

    Args:
      base_path: the folder of versions.
      files: any of these makes a folder a version.

    Raises:
      OSError: the folder is not there or cannot be read.
    """
    found: dict[int, Path] = {}
    notes = []
    # "1" comes before "001", so that the same one is taken each time.
    for path in sorted(base_path.iterdir(), key=lambda path: (len(path.name), path.name)):
        if not _NUMBER.fullmatch(path.name) or int(path.name) > _LARGEST:
            continue
        number = int(path.name)
        try:
            if not path.is_dir():
                continue
            is_version = any((path / file).is_file() for file in files)
        except OSError as error:  # Of this one alone: it must not hide the others.
            notes.append(f"{path}: {error.strerror}")
            continue
        if not is_version:
            notes.append(f"{path} is no version (yet): it holds none of {', '.join(files)}")
        elif number in found:
            notes.append(
                f"Duplicate version directories detected. Version {number} will be loaded from "
                f"{found[number]}, {path} will be ignored"
            )
        else:
            found[number] = path
    return Listing(found, tuple(notes))


def aspired(listing: Listing, policy: Policy) -> Listing:
    """What the policy takes of a listing; the notes also name specific versions not there."""
    notes = list(listing.notes)
    if isinstance(policy, All):
        numbers = sorted(listing.versions)
    elif isinstance(policy, Latest):
        numbers = sorted(listing.versions)[-policy.count :]
    else:
        numbers = [number for number in policy.versions if number in listing.versions]
        notes += [
            f"Version {number}, which was requested to be served as a 'specific' version in the "
            "version policy, was not found in the file system"
            for number in policy.versions
            if number not in listing.versions
        ]
    return Listing({number: listing.versions[number] for number in numbers}, tuple(notes))

"""Which versions of a model to serve: what its folder holds, and what the policy takes of it."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from ...base.export_layout import SAVED_MODEL_FILE, TFLITE_FILE
from .config import TFLITE, All, Latest, ModelConfig, Policy

SAVED_MODEL_FILES = (SAVED_MODEL_FILE, f"{SAVED_MODEL_FILE}txt")

_NUMBER = re.compile(r"[0-9]+")
_LARGEST = 2**63 - 1  # Of an int64, which is what requests carry.


@dataclasses.dataclass(frozen=True)
class Listing:
    """Versions of a model, and a note on each thing that looks like a version but is not one."""

    versions: Mapping[int, Path]
    notes: tuple[str, ...] = ()


def wanted(model: ModelConfig) -> Listing:
    """The versions that a model should have; none, and a note, where there are none."""
    try:
        listing = select(find(model.base_path, model.platform), model.policy)
    except OSError as error:
        return Listing({}, (f"Could not find base path {model.base_path}: {error.strerror}",))
    if listing.versions:
        return listing
    note = (
        f"No versions of servable {model.name} found under base path {model.base_path}. Did you "
        "forget to name your leaf directory as a number (eg. '/1/')?"
    )
    return Listing({}, (*listing.notes, note))


def find(base_path: Path, platform: str) -> Listing:
    """Lists the versions of a model.

    A version is a folder whose name is a number, leading zeros allowed, and that
    holds a model's file; one that is still being written has none yet.

    Args:
      base_path: the folder of versions.
      platform: `tflite` to take only TFLite files.

    Raises:
      OSError: the folder is missing or cannot be read.
    """
    files = (TFLITE_FILE,) if platform == TFLITE else (*SAVED_MODEL_FILES, TFLITE_FILE)
    folders: dict[int, Path] = {}
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
        except OSError as error:  # It must not hide the others.
            notes.append(f"{path}: {error.strerror}")
            continue
        if not is_version:
            notes.append(f"{path} is not a version (yet): it has none of {', '.join(files)}")
        elif number in folders:
            notes.append(
                f"Duplicate version directories detected. Version {number} will be loaded from "
                f"{folders[number]}, {path} will be ignored"
            )
        else:
            folders[number] = path
    return Listing(folders, tuple(notes))


def select(listing: Listing, policy: Policy) -> Listing:
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

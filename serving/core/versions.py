"""Which versions of a model to serve: what its folder holds, and what the policy takes of it."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

from ...base import addresses
from ...base.errors import UserError
from ...base.export_layout import SAVED_MODEL_FILE, TFLITE_FILE
from .. import remote
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
    except UserError as error:  # Of an object store.
        return Listing({}, (str(error),))
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
    holds a model's file; one that is still being written has none yet. In an object
    store, its manifest is there too, or it has settled (see `remote`).

    Args:
      base_path: the folder of versions.
      platform: `tflite` to take only TFLite files.

    Raises:
      OSError: the folder is missing or cannot be read.
      StoreError: an object store does not answer.
    """
    files = (TFLITE_FILE,) if platform == TFLITE else (*SAVED_MODEL_FILES, TFLITE_FILE)
    folders: dict[int, Path] = {}
    notes = []
    objects = None
    if addresses.address_of(base_path) is not None:
        objects = remote.versions(base_path)
    # "1" comes before "001", so that the same one is taken each time.
    paths = base_path.iterdir() if objects is None else objects
    for path in sorted(paths, key=lambda path: (len(path.name), path.name)):
        if not _NUMBER.fullmatch(path.name) or int(path.name) > _LARGEST:
            continue
        number = int(path.name)
        try:
            if objects is not None:
                is_version = not objects[path].isdisjoint(files)
            elif path.is_dir():
                is_version = any((path / file).is_file() for file in files)
            else:
                continue
        except OSError as error:  # It must not hide the others.
            notes.append(f"{path}: {error.strerror}")
            continue
        if not is_version:
            lacks = "it is not complete, or" if objects is not None else "it"
            notes.append(f"{path} is not a version (yet): {lacks} has none of {', '.join(files)}")
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

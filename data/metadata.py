"""What lies beside the shards of a prepared dataset, held against what was written there.

`metadata.json` is sealed, and states the digest of every other file; what TFDS writes beside it,
and what earlier versions wrote, is taken as it is.
"""

import concurrent.futures
import dataclasses
import hashlib
import os
from pathlib import Path

from ..base import files
from ..base.errors import DataError
from ..base.files import JsonObject
from ..base.pictures.config import PictureConfig
from ..base.storage import records

METADATA, INFO, FEATURES = "metadata.json", "dataset_info.json", "features.json"
# Keys of the metadata: the dataset's fingerprint, its `PictureConfig`, the digests of its files.
FINGERPRINT, PICTURES, _FILES = "fingerprint", "pictures", "files"
# Of each end of a file, this many bytes are looked at where there is no time for all.
END_BYTES = 4096
_THREADS = 4
# Of what is left out, this many of a kind are said.
_SAID = 3
# What a dataset is made of, as TFDS and we call it.
_PATTERNS = ("*.json", "*.labels.txt", "*.tfrecord*", "*.files")
# Files that are read as a whole when a dataset is opened.
_SMALL = ("*.json", "*.labels.txt")


@dataclasses.dataclass(frozen=True)
class FileDigest:
    """A file of a dataset, as its metadata state it.

    Attributes:
      ends: the digest of its first and last bytes, which is soon looked at.
    """

    bytes: int
    sha256: str
    ends: str

    def difference(self, path: Path) -> str | None:
        """In what a file's size or its ends differ, in words; None if they do not."""
        size = path.stat().st_size
        if size != self.bytes:
            return f"{size:,} bytes, {self.bytes:,} then"
        return None if ends(path) == self.ends else "other bytes at its ends"

    def whole_difference(self, path: Path) -> str | None:
        """In what a file differs, in words; None if it does not."""
        return self.difference(path) or other_content(path, self.sha256)


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """What a source holds and does not use: the kind, how many there are, the first of them."""

    kind: str
    count: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        dots = ", …" if self.count > _SAID else ""
        return f"{self.kind}: {self.count:,} ({', '.join(self.first[:_SAID])}{dots})"


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """How many examples could not be read, and the first of them in words."""

    count: int = 0
    first: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was written: the images of each class by split, and what is worth a warning."""

    class_counts: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What `metadata.json` says; nothing where TFDS itself wrote the dataset.

    Attributes:
      fingerprint: of the images and labels.
      pictures: how a picture becomes an image.
      source: what the dataset was made of.
      files_root: the folder that its picture files are below.
      files: each file of the dataset but this one, by its name.
    """

    origin: str = ""
    fingerprint: str | None = None
    pictures: PictureConfig | None = None
    source: JsonObject = dataclasses.field(default_factory=dict)
    damaged: Unreadable | None = None
    left_out: tuple[LeftOut, ...] = ()
    survey: Survey | None = None
    files_root: str | None = None
    files: dict[str, FileDigest] = dataclasses.field(default_factory=dict)


def _of_folder(folder: Path) -> dict[str, FileDigest]:
    """Each file in a folder, by its name."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        return {
            path.name: FileDigest(path.stat().st_size, sha256, ends(path))
            for path, sha256 in zip(paths, pool.map(files.sha256, paths), strict=True)
        }


def seal(directory: Path) -> None:
    """Writes the digests of a dataset's files into its metadata, when all of them are there."""
    path = directory / METADATA
    content = records.read_object(path) if path.exists() else {}
    stated = _of_folder(directory)
    stated.pop(METADATA, None)
    facts = {name: dataclasses.asdict(digest) for name, digest in stated.items()}
    records.write(path, {**content, _FILES: facts})


def read_metadata(directory: Path, name: str) -> Metadata:
    """The metadata of a dataset, whose other small files are as they state.

    Raises:
      DataError: a file is missing, damaged, or not what was written.
    """
    mend = prepare_again(name)
    for pattern in _PATTERNS:
        for path in directory.glob(pattern):
            files.is_there(path)  # What is no file is refused, before TFDS waits for it.
    info = records.read_object(directory / INFO, mend)
    records.read_object(directory / FEATURES, mend)
    path = directory / METADATA
    if not files.is_there(path):
        if str(info.get("moduleName")).partition(".")[0] == __name__.partition(".")[0]:
            raise DataError(f"{path} does not exist; {mend}")
        return Metadata()
    content = records.read_object(path, mend)
    if _FILES not in content and FINGERPRINT not in content:
        return Metadata()  # Others may write what they like.
    metadata = records.checked(path, Metadata, content, mend, in_part=True)
    for file, digest in metadata.files.items():
        place = directory / file
        if any(place.match(pattern) for pattern in _SMALL):
            if not files.is_there(place):
                raise DataError(f"{place} does not exist; {mend}")
            if cause := digest.whole_difference(place):
                raise DataError(
                    f"{place} is not what was written ({cause}, as {METADATA} has it); {mend}"
                )
    return metadata


def prepare_again(name: str) -> str:
    """What to do about a dataset that is damaged."""
    return f"prepare {name} again: the command of the first time, with --overwrite"


def ends(path: Path) -> str:
    """The digest of the first and the last bytes of a file, 16 hex digits."""
    with files.opened(path) as file:
        head = file.read(END_BYTES)
        file.seek(max(0, file.seek(0, os.SEEK_END) - END_BYTES))
        return hashlib.sha256(head + file.read()).hexdigest()[:16]


def other_content(path: Path, then: str) -> str | None:
    """In what a file's content differs by its digest, in words; None if it does not."""
    sha256 = files.sha256(path)
    return None if sha256 == then else f"sha256 {sha256[:8]}, {then[:8]} then"

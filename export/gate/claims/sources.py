"""The gate's entrance for files: what people send is a file, not an image of the dataset.

Of datasets made of picture files, some of the files that a split was made of are classified as
`digitline predict` does it, and by `predict_bytes`. Each must get the class that the trained model
gives the dataset's own image of it.
"""

import concurrent.futures
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ....base import export_layout, progress
from ....base.errors import VerificationError
from ....base.pictures import decode
from ....base.tf import tf
from ....data import source_files
from ....data.dataset import Split
from ....data.source_files import SourceFile
from ....serving import artifacts
from ....serving.artifacts import Classifier
from ...formats import saved_model
from ...formats.artifact import Opened
from ...functions import TrainedModel
from ...signatures import PREDICT_BYTES
from ..comparison import TOLERANCE
from ..reference import Reference

# Files that are looked at; in a call; named in the manifest.
_FILES, _BATCH, _NAMED = 500, 16, 10
# Kinds of datasets, in their metadata, that are made of picture files.
_OF_FILES = ("image_folder", "file_table")


@dataclasses.dataclass(frozen=True)
class CheckedFiles:
    """What came of it.

    Attributes:
      files: that were classified as `digitline predict` does it.
      decoded: those of them that `predict_bytes` decodes; 0 without a SavedModel.
      not_decoded: those that it does not.
      gone, changed: since the dataset was made, and so left out.
      first: some of the files that were left out.
    """

    files: int
    decoded: int
    not_decoded: int
    gone: int
    changed: int
    first: tuple[str, ...]


def check(split: Split, reference: Reference, folders: Mapping[str, Path]) -> CheckedFiles | None:
    """Compares the classes of files with the trained model's of the images made of them.

    Args:
      split: that the images of `reference` are of.
      reference: the trained model and the images.
      folders: the version's folder of each format that was written.

    Returns:
      None where it is not known which files the images were made of.

    Raises:
      VerificationError: a file gets other pixels, or another class.
    """
    sampled = source_files.sample(split, _FILES)
    if sampled is None:
        if split.dataset.metadata.source.get("kind") in _OF_FILES:
            progress.say("which files the images were made of is not recorded: none is looked at")
        return None
    states = [file.state for file in sampled]
    files = [file for file, state in zip(sampled, states, strict=True) if state == "same"]
    left_out = [file for file, state in zip(sampled, states, strict=True) if state != "same"]
    progress.say(f"classifying {len(files):,} of the files that {split.name} was made of")
    _predict(files, reference, list(_classifiers(folders, reference.trained)))
    refused: list[SourceFile] = []
    if saved := folders.get(export_layout.SAVED_MODEL):
        refused = _predict_bytes(files, reference, saved_model.ARTIFACT.open(saved))
    checked = CheckedFiles(
        files=len(files),
        decoded=len(files) - len(refused) if saved else 0,
        not_decoded=len(refused),
        gone=states.count("gone"),
        changed=states.count("changed"),
        first=tuple(str(file.path) for file in [*left_out, *refused][:_NAMED]),
    )
    if checked.first:
        progress.say(
            f"left out: {checked.gone:,} files are gone, {checked.changed:,} have changed, and "
            f"predict_bytes does not decode {checked.not_decoded:,}; such as {checked.first[0]}"
        )
    return checked


def _classifiers(folders: Mapping[str, Path], trained: TrainedModel) -> Iterator[Classifier]:
    """The float32 artifacts, as `digitline predict` opens them."""
    paths = {
        kind: folders[kind] / name
        for kind, name in (
            (export_layout.SAVED_MODEL, ""),
            (export_layout.TFLITE, export_layout.TFLITE_FILE),
        )
        if kind in folders and (folders[kind] / name).exists()
    }
    for kind, path in paths.items():
        classifier = artifacts.OPENERS[kind](path)
        if classifier.description.pictures != trained.pictures:
            raise VerificationError(
                f"{kind}: it takes pictures by {classifier.description.pictures}, the dataset by "
                f"{trained.pictures}; nothing was published"
            )
        yield classifier


def _predict(
    files: Sequence[SourceFile], reference: Reference, classifiers: Sequence[Classifier]
) -> None:
    load = functools.partial(decode.load, config=reference.trained.pictures)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for batch in _batches(files):
            images = list(pool.map(load, [file.path for file in batch]))
            for file, image in zip(batch, images, strict=True):
                if not np.array_equal(image, reference.split.images[file.index]):
                    raise VerificationError(
                        f"{file.path}: its pixels are not those that the dataset holds: it was "
                        "made by another version; prepare it again with --overwrite; nothing was "
                        "published"
                    )
            for classifier in classifiers:
                classes = classifier.run(np.stack(images))["classes"]
                how = f"digitline predict with {classifier.path.name}"
                _require_classes(batch, classes, reference.split.probabilities, reference, how)


def _predict_bytes(
    files: Sequence[SourceFile], reference: Reference, opened: Opened
) -> list[SourceFile]:
    """Gives the files that it does not decode."""
    # A digit that was found is light on black already.
    is_digit = reference.trained.pictures.digits
    name = PREDICT_BYTES.name
    expected = reference.split.probabilities if is_digit else reference.seen(name, reference.split)
    refused: list[SourceFile] = []

    def run(batch: Sequence[SourceFile]) -> None:
        contents = np.array([file.path.read_bytes() for file in batch], object)
        try:
            classes = opened.run(name, contents)["classes"]
        except tf.errors.InvalidArgumentError:
            if len(batch) == 1:
                refused.append(batch[0])
                return
            for file in batch:  # One that is not decoded fails all.
                run([file])
        else:
            _require_classes(batch, classes, expected, reference, name)

    for batch in _batches(files):
        run(batch)
    return refused


def _batches(files: Sequence[SourceFile]) -> Iterator[Sequence[SourceFile]]:
    for start in range(0, len(files), _BATCH):
        yield files[start : start + _BATCH]


def _require_classes(
    files: Sequence[SourceFile],
    classes: np.ndarray,
    probabilities: np.ndarray,
    reference: Reference,
    how: str,
) -> None:
    """Refuses another class than the most probable one, or one that is as probable."""
    names = reference.trained.label_names
    for file, number in zip(files, classes.tolist(), strict=True):
        row = probabilities[file.index]
        if row[number] < row.max() - TOLERANCE:
            raise VerificationError(
                f"{file.path}: {how} answers {names[number]}, the trained model "
                f"{names[int(row.argmax())]} for the image that was made of it; nothing was "
                "published"
            )

"""CSV files of pixels as a source of examples.

A slice is a range of bytes of a file.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....base import progress
from ....base.errors import DataError
from ....base.pictures import decode
from ....base.pictures.config import PictureConfig, of_array
from ....base.pixels import columns, dialect, scale
from ....base.pixels.columns import Wanted
from ....base.pixels.rows import RowForm
from .. import counted, labels
from ..counted import CountedSlice, CountedSource, Key, Survey
from ..slices import Damaged, Example, ReadOptions
from . import class_names, csv_files


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvSlice(CountedSlice):
    """A part of a file: the bytes in which its lines begin."""

    form: RowForm
    start: int
    end: int

    def key(self, line: bytes) -> tuple[Key, str]:
        """A row's split and class; of a damaged one no class, and what is wrong."""
        try:
            label = labels.read(self.form.label(line))
            return (self.form.split(line) or self.split, label), ""
        except DataError as error:
            return (self.split, ""), str(error)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvSource(CountedSource[CsvSlice]):
    """Slices of CSV files; a `slices.Source`.

    Attributes:
      factor: what pixels are multiplied by.
      pictures: what is made of the images.
    """

    factor: int
    pictures: PictureConfig

    def read(self, index: int) -> Iterator[Example | Damaged]:
        part = self.slices[index]
        numbers = {name: number for number, name in enumerate(self.label_names)}
        seen = collections.Counter(part.before)
        row = sum(part.before.values())
        for lines in part.form.blocks(part.start, part.end):
            keys, troubles = zip(*map(part.key, lines), strict=True)
            splits = self.splits_of(keys, seen)
            images = part.form.images(lines, self.factor)
            for (_, name), trouble, split, image in zip(
                keys, troubles, splits, images, strict=True
            ):
                row += 1
                where = f"{part.form.dialect.path}, row {row:,}"
                if trouble:
                    yield Damaged(f"{where}: {trouble}")
                elif isinstance(image, str):
                    yield Damaged(f"{where}: {image}")
                elif name not in numbers:
                    yield Damaged(f"{where}: no training row has its label, '{name}'")
                else:
                    yield Example(split, decode.made(image, self.pictures, where), numbers[name])


def plan(place: Path, options: ReadOptions) -> CsvSource:
    """Cuts a CSV file, or those of a folder (`csv_files.find`), into slices; counts the labels.

    Raises:
      UserError: a file is missing or not of the form, or the images differ in shape.
    """
    forms = _forms(place, Wanted(options.label_column, options.image_size, options.channels))
    slices = []
    for split, form in forms.items():
        size, start = form.dialect.size, form.dialect.start
        rows = (size - start) // form.dialect.row_bytes + 1  # An estimate.
        edges = np.linspace(start, size, options.num_slices(rows, len(form.columns.pixels)) + 1)
        slices += [
            CsvSlice(split=split, form=form, start=start, end=end)
            for start, end in itertools.pairwise(edges.astype(np.int64).tolist())
        ]
    slices, surveys = counted.survey(slices, _survey, options.executor, "counting rows")
    cut, totals = options.cut(counted.splits(surveys)), counted.totals(surveys, "train")
    file, label = forms["train"].dialect, forms["train"].columns.label or 0
    label_names = class_names.class_names(
        totals,
        file.path,
        columns.name(file, label),
        columns.is_named_label(file, label),
        next((found.damage for found in surveys if found.damage), ""),
    )
    shape = forms["train"].columns.shape
    parts = zip(slices, surveys, strict=True)
    seen = ((part.form.dialect.path.name, found.seen) for part, found in parts)
    pictures = of_array(shape, None, options.channels, options.fit, options.digits)
    return CsvSource(
        label_names=label_names,
        image_shape=pictures.image_shape,
        slices=slices,
        cut=cut,
        totals=totals,
        factor=scale.common_scale(seen, place),
        pictures=pictures,
    )


def _forms(place: Path, wanted: Wanted) -> dict[str, RowForm]:
    """By split, the form of the files that have labels.

    Raises:
      UserError: a file is not of the form, or the images differ in shape.
    """
    paths = csv_files.find(place) if place.is_dir() else {"train": place}
    forms: dict[str, RowForm] = {}
    for split, path in sorted(paths.items(), key=lambda item: item[0] != "train"):
        file = dialect.look(path)
        train = forms.get("train")
        if train and (train.dialect.columns, train.dialect.names) == (file.columns, file.names):
            forms[split] = RowForm(file, train.columns)
            continue
        found = columns.find(file, wanted)
        if found.label is not None:
            forms[split] = RowForm(file, found)
        elif split == "train":
            raise DataError(
                f"{path}: its rows have no label column, only {file.columns:,} pixels: expected "
                "label,pixel0,…; or name its column with --label_column",
                option="label_column",
            )
        else:
            progress.say(f"{path} is left out: its rows have no label column")
    for split, form in forms.items():
        shape, train_shape = form.columns.shape, forms["train"].columns.shape
        if shape != train_shape:
            raise DataError(
                f"{paths[split]}: its images are {list(shape)}, those of the training file "
                f"{list(train_shape)}: they do not belong together"
            )
    return forms


def _survey(part: CsvSlice) -> Survey:
    """Counts the labels of a slice, and looks at its pixels until their scale is clear.

    Raises:
      DataError: the column holds no labels.
    """
    counts: collections.Counter[Key] = collections.Counter()
    seen, damage = scale.Seen(), ""
    for lines in part.form.blocks(part.start, part.end):
        for key, trouble in map(part.key, lines):
            counts[key] += 1
            damage = damage or trouble
        if len(counts) > class_names.MAX_CLASSES:
            file, what = (
                part.form.dialect,
                f"more than {class_names.MAX_CLASSES:,} different values",
            )
            column = columns.name(file, part.form.columns.label or 0)
            raise class_names.not_labels(file.path, column, what)
        seen = part.form.look(lines, seen)
    return Survey(counts, seen, damage)

"""CSV files of pixels as a source of examples.

A slice is a range of bytes of a file.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ....base import progress
from ....base.errors import DataError
from .. import counted, labels
from ..counted import CountedSlice, CountedSource, Survey
from ..slices import Damaged, Example, ReadOptions
from . import class_names, columns, csv_files, dialect
from .columns import Wanted
from .rows import RowForm

# Rows that are parsed at once.
_BLOCK = 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvSlice(CountedSlice):
    """A part of a file: the bytes in which its lines begin."""

    form: RowForm
    start: int
    end: int

    def blocks(self) -> Iterator[list[bytes]]:
        """The lines, some at once."""
        lines = self.form.dialect.lines(self.start, self.end)
        return iter(lambda: list(itertools.islice(lines, _BLOCK)), [])


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsvSource(CountedSource[CsvSlice]):
    """Slices of CSV files; a `slices.Source`. `scaled`: pixels are from 0 to 1."""

    scaled: bool

    def read(self, index: int) -> Iterator[Example | Damaged]:
        part = self.slices[index]
        numbers = {name: number for number, name in enumerate(self.label_names)}
        seen = collections.Counter(part.before)
        row = sum(part.before.values())
        for lines in part.blocks():
            names, troubles = zip(*(_label(part.form, line) for line in lines), strict=True)
            splits = self.splits_of(part, names, seen)
            images = part.form.images(lines, self.scaled)
            for name, trouble, split, image in zip(names, troubles, splits, images, strict=True):
                row += 1
                where = f"{part.form.dialect.path}, row {row:,}"
                if trouble:
                    yield Damaged(f"{where}: {trouble}")
                elif isinstance(image, str):
                    yield Damaged(f"{where}: {image}")
                elif name not in numbers:
                    yield Damaged(f"{where}: no training row has its label, '{name}'")
                else:
                    yield Example(split, image, numbers[name])


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
    cut = options.cut(set(forms))
    slices, surveys = counted.survey(slices, _survey, options.executor, "counting rows")
    totals = counted.totals(slices, surveys, "train")
    file, label = forms["train"].dialect, forms["train"].columns.label
    label_names = class_names.class_names(
        totals, file.path, columns.name(file, label), columns.is_named_label(file, label)
    )
    return CsvSource(
        label_names=label_names,
        image_shape=forms["train"].columns.shape,
        slices=slices,
        cut=cut,
        totals=totals,
        scaled=_are_scaled(place, surveys),
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
        if found is not None:
            forms[split] = RowForm(file, found)
        elif split == "train":
            raise DataError(
                f"{path}: its rows have no label column, only {file.columns:,} pixels: expected "
                "label,pixel0,…"
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
    """Counts the labels of a slice, and looks whether its pixels are from 0 to 1.

    Raises:
      DataError: the column holds no labels.
    """
    counts: collections.Counter[str] = collections.Counter()
    dim = bright = 0
    for lines in part.blocks():
        counts.update(_label(part.form, line)[0] for line in lines)
        if len(counts) > class_names.MAX_CLASSES:
            file, what = (
                part.form.dialect,
                f"more than {class_names.MAX_CLASSES:,} different values",
            )
            column = columns.name(file, part.form.columns.label)
            raise class_names.not_labels(file.path, column, what)
        if bright <= dim:
            more_dim, more_bright = part.form.brightness(lines)
            dim, bright = dim + more_dim, bright + more_bright
    return Survey(dict(counts), dim, bright)


def _label(form: RowForm, line: bytes) -> tuple[str, str]:
    """A row's class, or nothing and what is wrong with it."""
    try:
        return form.label(line), ""
    except labels.LabelError as error:
        return "", str(error)


def _are_scaled(place: Path, surveys: Sequence[Survey]) -> bool:
    """Whether the pixels of the whole dataset are from 0 to 1; says so."""
    dim, bright = (sum(getattr(seen, name) for seen in surveys) for name in ("dim", "bright"))
    if scaled := dim > bright:
        progress.say(f"{place}: pixels from 0 to 1, multiplied by 255")
    return scaled

"""The answers for pictures: the model is asked batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...base import progress
from ...base.errors import UserError
from . import answers
from .model import Model
from .pictures import Picture, Source
from .predictions import Candidate, Prediction

if TYPE_CHECKING:
    from ..client import Classified

# Pictures in one call of the model.
_BATCH = 32
# How a server refuses what its graph cannot read.
_REFUSED = "INVALID_ARGUMENT"


def classify(
    sources: Sequence[Source], model: Model, top_k: int, errors: list[str]
) -> tuple[Prediction, ...]:
    """The answers for the pictures that can be read, in their order.

    Args:
      sources: of the pictures.
      model: that is asked.
      top_k: how many classes each answer names.
      errors: takes what is wrong with the other pictures.

    Raises:
      UserError: the model cannot be asked.
    """
    predictions: list[Prediction] = []
    total = sum(source.count for source in sources)
    with progress.Progress("classifying", total, unit="pictures") as bar:
        for source in sources:
            for batch in _batches(_sound(source.read(model.wanted), errors)):
                predictions += _answered(batch, model, top_k, errors)
                bar.advance(len(batch))
    return tuple(predictions)


def _sound(pictures: Iterator[Picture | str], errors: list[str]) -> Iterator[Picture]:
    """The pictures that could be read; what is wrong with the others goes to the errors."""
    try:
        for picture in pictures:
            if isinstance(picture, str):
                errors.append(picture)
            else:
                yield picture
    except UserError as error:  # All of a file.
        errors.append(str(error))


def _batches(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    return iter(lambda: list(itertools.islice(pictures, _BATCH)), [])


def _answered(
    batch: Sequence[Picture], model: Model, top_k: int, errors: list[str]
) -> Iterator[Prediction]:
    """The answers for a batch; where a server refuses it, each picture is sent by itself."""
    try:
        yield from _predictions(batch, model, model.classify(batch), top_k)
    except UserError as error:
        if len(batch) == 1 or error.details.get("code") != _REFUSED:
            raise
    else:
        return
    refused = []
    for picture in batch:
        try:
            yield from _predictions([picture], model, model.classify([picture]), top_k)
        except UserError as error:
            refused.append(f"{picture.file}: {error}")
            if len(refused) == len(batch):
                raise
    errors += refused


def _predictions(
    pictures: Sequence[Picture], model: Model, classified: Classified, top_k: int
) -> Iterator[Prediction]:
    for index, picture in enumerate(pictures):
        probabilities = classified.probabilities[index]
        names = None if classified.names is None else classified.names[index]
        top = []
        for number in np.argsort(-probabilities, kind="stable")[:top_k].tolist():
            if names is not None:
                top.append(Candidate(None, names[number], float(probabilities[number])))
            else:
                label = model.labels[number] if number < len(model.labels) else str(number)
                top.append(Candidate(number, label, float(probabilities[number])))
        seen = answers.seen_in(picture.pixels, model.wanted.config)
        yield Prediction(
            picture.file,
            picture.row,
            answers.answer(seen, top[0].probability, model.threshold),
            tuple(top),
            probabilities,
            None if names is None else tuple(names),
        )

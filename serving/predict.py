"""`digitline predict`: the classes of pictures, by an exported model or by a server."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..base import command, progress
from ..base.command_flags import flag_values, read
from ..base.errors import UsageError, UserError
from ..base.files import JsonObject
from .prediction import answers
from .prediction.model import Model, local
from .prediction.options import CSV, PredictOptions
from .prediction.predictions import Candidate, Prediction, Predictions

if TYPE_CHECKING:
    from .client import Classified
    from .prediction.pictures import Picture

# Pictures in one call of the model.
_BATCH = 32
# How a server refuses what its graph cannot read.
_REFUSED = "INVALID_ARGUMENT"

FLAGS = flag_values(PredictOptions)


def run(options: PredictOptions) -> Predictions:
    """Classifies the pictures; those that cannot be read are listed as errors.

    Raises:
      UserError: the model cannot be opened or asked, or there is nothing to classify.
    """
    from .prediction.arguments import sources  # Pillow takes its time to load.

    found, errors = sources(options.pictures)
    if not found:
        raise UserError("; ".join(errors))
    predictions: list[Prediction] = []
    with _model(options) as model:
        total = sum(source.count for source in found)
        with progress.Progress("classifying", total, unit="pictures") as bar:
            for source in found:
                for batch in _batches(_sound(source.read(model.wanted), errors)):
                    predictions += _answered(batch, model, options.top_k, errors)
                    bar.advance(len(batch))
    is_table = options.output == CSV
    return Predictions(model.name, model.threshold, tuple(predictions), tuple(errors), is_table)


def _model(options: PredictOptions) -> contextlib.AbstractContextManager[Model]:
    if options.server is None:
        return contextlib.nullcontext(local(options))
    from .prediction.server import on_server

    return on_server(options, options.server)


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
            tuple(probabilities.tolist()),
            None if names is None else tuple(names),
        )


def _options(values: command.FlagValues, pictures: list[str]) -> PredictOptions:
    options = read(PredictOptions, values, pictures=tuple(pictures))
    if options.output == CSV and values["json"].value:
        raise UsageError("give --json or --output=csv, not both")
    return options


def _to_json(result: Predictions) -> JsonObject:
    return result.to_json()


COMMAND = command.Command(
    name="predict",
    summary="Prints the class and the probability of each picture: files of any usual format and "
    "size, folders of them, patterns, and the rows of CSV files and NumPy arrays. A picture is "
    "made as the model's training images were.",
    flags=FLAGS,
    options=_options,
    run=run,
    text=str,
    to_json=_to_json,
    errors=lambda result: result.errors,
    arguments="picture.png|folder|rows.csv|arrays.npz …",
)

if __name__ == "__main__":
    command.main(COMMAND)

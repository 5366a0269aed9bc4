"""`digitline predict`: the classes of pictures, by an exported model or by a server."""

from __future__ import annotations

import contextlib

from ..base import command
from ..base.command_flags import flag_values, read
from ..base.errors import UsageError, UserError
from ..base.files import JsonObject
from .prediction.classify import classify
from .prediction.model import Model, local
from .prediction.options import CSV, PredictOptions
from .prediction.predictions import Predictions

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
    with _model(options) as model:
        predictions = classify(found, model, options.top_k, errors)
    is_table = options.output == CSV
    return Predictions(model.name, model.threshold, predictions, tuple(errors), is_table)


def _model(options: PredictOptions) -> contextlib.AbstractContextManager[Model]:
    if options.server is None:
        return contextlib.nullcontext(local(options))
    from .prediction.server import on_server

    return on_server(options, options.server)


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

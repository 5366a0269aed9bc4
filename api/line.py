"""The stages of the line as functions: each does what the command of its name does."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ..base import command
from ..base.errors import UsageError
from ..data.preparation.own_files import OwnFiles
from ..data.preparation.request import Request
from ..data.prepare import COMMAND as PREPARE
from ..data.prepare import Prepared
from ..export.exporter import COMMAND as EXPORT
from ..export.options import ExportOptions
from ..models.evaluate import COMMAND as EVALUATE
from ..models.evaluation.options import EvaluateOptions
from ..models.evaluation.result import Result as Evaluated
from ..models.recipe import PipelineConfig, Recipe
from ..models.train import COMMAND as TRAIN
from ..models.train import Result as Trained
from ..models.training.interrupts import Stopped
from ..models.training.options import Settings, TrainOptions, refuse_contradictions
from . import keywords
from .stage import takes

if TYPE_CHECKING:  # It loads TensorFlow.
    from ..export.stages import Exported


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainKeywords(OwnFiles, Settings, PipelineConfig, Recipe, TrainOptions):
    """All the fields that are flags, side by side: what the keywords of `digitline.train` are."""


def _from_keywords(given: Mapping[str, object]) -> TrainOptions:
    """The options that keywords state; a field of the recipe that is None is the recipe's own.

    Raises:
      UsageError: a value is wrong, or they contradict each other.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    refuse_contradictions(stated)
    return keywords.read(
        TrainOptions,
        given,
        changes=keywords.values(Recipe, stated),
        pipeline=keywords.read(PipelineConfig, given),
        settings=keywords.read(Settings, given),
        files=keywords.read(OwnFiles, given),
    )


def _checked(options: TrainOptions) -> TrainOptions:
    """Options that a Python caller made, checked; raises `UsageError` as `_from_keywords` does."""
    keywords.require_known("digitline.train", options.changes, Recipe)
    changes = keywords.values(Recipe, options.changes)
    return dataclasses.replace(keywords.checked(options), changes=changes)


@takes(Request, Request)
def prepare(options: Request) -> Prepared:
    """Raw images to sharded TFRecords in an ordinary TFDS folder.

    Returns:
      The prepared dataset; its name is `dataset`, its folder `directory`.

    Raises:
      UserError: an option, the source or the data are wrong.
    """
    return command.perform(PREPARE, options)


@takes(TrainOptions, TrainKeywords, _from_keywords, _checked)
def train(options: TrainOptions) -> Trained:
    """A prepared dataset to a trained model in a run folder.

    The same call again resumes an unfinished run and leaves a finished one as it is.

    Returns:
      The finished run; its folder is `workdir`.

    Raises:
      UserError: an option or the data are wrong, or the training diverged.
      KeyboardInterrupt: it was interrupted; the state is saved, the same call goes on there.
    """
    try:
        return command.perform(TRAIN, options)
    except Stopped as stop:
        if stop.number != signal.SIGINT:
            raise
        raise KeyboardInterrupt(str(stop)) from None


@takes(EvaluateOptions, EvaluateOptions)
def evaluate(options: EvaluateOptions) -> Evaluated:
    """The figures of a trained or an exported model on a split.

    Returns:
      What was evaluated; `figures` has accuracy, loss, confusion and the mistakes.

    Raises:
      UserError: an option, the model or the dataset are wrong.
    """
    return command.perform(EVALUATE, options)


@takes(ExportOptions, ExportOptions)
def export(options: ExportOptions) -> Exported:
    """A trained model to verified, versioned artifacts.

    Returns:
      The published version; `artifacts` has their paths by name.

    Raises:
      VerificationError: an artifact disagrees with the model; nothing is published.
      UserError: an option, the run, the dataset or the export folder are wrong.
    """
    for name in ("rollback", "verify_only"):
        if getattr(options, name):
            raise UsageError(f"{name}: the command does that, digitline export --{name}")
    return cast("Exported", command.perform(EXPORT, options))

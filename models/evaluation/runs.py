"""Evaluates the model of a run, or the models of several as an ensemble."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import files, progress
from ...base.errors import UsageError, UserError
from ...data.pipeline import salvage
from ...data.pipeline.batches import evaluation_batches
from ..run.config import open_run_dataset
from ..run.folder import Run
from .metrics import evaluator, of_probabilities
from .options import EvaluateOptions
from .result import Result


def evaluate(workdir: Path, options: EvaluateOptions) -> Result:
    """The figures of a run's model, which are added to its `evaluation.json`.

    Raises:
      UserError: the run is not finished, or its dataset is not there.
    """
    folder = Run(workdir)
    config, model = folder.load()
    splits = [open_run_dataset(config, options.data_dir).split(options.split)]
    with salvage.sound(splits, options.max_corrupt_records) as ((split,), lost):
        batches = evaluation_batches(split, config.preprocess, options.batch_size)
        figures = evaluator(model)(batches).figures(len(lost))
    try:
        with files.owned(folder.workdir, "training or evaluating"):
            folder.add_evaluation(split.name, figures)
    except (OSError, UserError) as error:
        progress.say(f"note: the figures are not recorded in the run folder: {error}")
    return Result({"workdir": str(workdir)}, config.model, split, figures)


def evaluate_ensemble(workdirs: Sequence[Path], options: EvaluateOptions) -> Result:
    """The figures of the mean of the probabilities of several runs' models.

    Raises:
      UsageError: they were not trained on one dataset.
      UserError: a run is not finished, or the dataset is not there.
    """
    members = [Run(workdir).load() for workdir in workdirs]
    config, _ = members[0]
    dataset = open_run_dataset(config, options.data_dir)
    for workdir, (other, _) in zip(workdirs, members, strict=True):
        if (other.dataset.name, other.label_names) != (dataset.name, config.label_names):
            raise UsageError(
                f"--workdir: {workdir} was trained on {other.dataset.name}, {workdirs[0]} on "
                f"{dataset.name}: an ensemble has one dataset"
            )
    splits = [dataset.split(options.split)]
    with salvage.sound(splits, options.max_corrupt_records) as ((split,), lost):
        evaluations = [
            evaluator(model)(evaluation_batches(split, member.preprocess, options.batch_size))
            for member, model in members
        ]
    mean = np.mean([evaluation.probabilities for evaluation in evaluations], axis=0)
    names = ", ".join(sorted({member.model for member, _ in members}))
    return Result(
        {"workdirs": list(map(str, workdirs))},
        f"ensemble of {len(workdirs)} ({names})",
        split,
        of_probabilities(evaluations[0].labels, mean).figures(len(lost)),
        [evaluation.accuracy for evaluation in evaluations],
    )

"""Evaluates the model of a run, or the models of several as an ensemble."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ...base import catalog, progress, refused
from ...base.errors import UsageError, UserError
from ...base.storage.writing import owned
from ...base.tf import keras, tf
from ...data.pipeline import salvage
from ...data.pipeline.batches import evaluation_batches
from ..run.config import RunConfig, open_run_dataset
from ..run.folder import Run
from . import robustness
from .metrics import evaluator, of_probabilities
from .options import EvaluateOptions
from .result import Result


def evaluate(workdir: Path, options: EvaluateOptions) -> Result:
    """The figures of a run's model, which are added to its `evaluation.json`.

    Raises:
      UserError: the run is not finished, or its dataset is not there, or no longer the same:
        another one is admitted where --data_dir names it, and its figures are not recorded.
    """
    folder = Run(workdir)
    config, model = folder.load()
    dataset = open_run_dataset(config, options.data_dir, options.data_dir is not None)
    is_same = dataset.fingerprint == config.dataset.fingerprint
    splits = [dataset.split(dataset.reported_split(options.split, config.dataset.validation_split))]
    with salvage.sound(splits, options.max_corrupt_records) as ((split,), lost):
        if is_same:
            folder.require_same_data(splits, lost)
        batches = evaluation_batches(split, config.preprocess, options.batch_size)
        figures = evaluator(model)(batches).figures(len(lost))
        figures = robustness.added(figures, split, answers([(config, model)]), options)
    if not is_same:
        progress.say(
            "note: the figures are of other images: they are not recorded in the run folder"
        )
        return Result({"workdir": str(workdir)}, config.model, split, figures)
    try:
        with owned(folder.workdir, "training or evaluating"):
            folder.evaluations.add(split.name, figures)
            catalog.push_part(folder.workdir, catalog.RUN_EVALUATION)
    except (OSError, UserError) as error:
        known = refused.user_error(error) or error
        progress.say(f"note: the figures are not recorded in the run folder: {known}")
    source = {"workdir": str(workdir)}
    return Result(source, config.model, split, figures, data_dir=options.data_dir)


def evaluate_ensemble(workdirs: Sequence[Path], options: EvaluateOptions) -> Result:
    """The figures of the mean of the probabilities of several runs' models.

    Raises:
      UsageError: they were not trained on one dataset.
      UserError: a run is not finished, or the dataset is not there.
    """
    folders = [Run(workdir) for workdir in workdirs]
    members = [folder.load() for folder in folders]
    config, _ = members[0]
    data_dir = options.data_dir or config.data_dir
    dataset = open_run_dataset(config, data_dir, options.data_dir is not None)
    for workdir, (other, _) in zip(workdirs, members, strict=True):
        if (other.dataset.name, other.label_names) != (dataset.name, config.label_names):
            raise UsageError(
                f"--workdir: {workdir} was trained on {other.dataset.name}, {workdirs[0]} on "
                f"{dataset.name}: an ensemble has one dataset"
            )
        open_run_dataset(other, data_dir, options.data_dir is not None)
    splits = [dataset.split(dataset.reported_split(options.split, config.dataset.validation_split))]
    with salvage.sound(splits, options.max_corrupt_records) as ((split,), lost):
        for folder, (member, _) in zip(folders, members, strict=True):
            if member.dataset.fingerprint == dataset.fingerprint:
                folder.require_same_data(splits, lost)
        evaluations = [
            evaluator(model)(evaluation_batches(split, member.preprocess, options.batch_size))
            for member, model in members
        ]
        mean = np.mean([evaluation.probabilities for evaluation in evaluations], axis=0)
        figures = of_probabilities(evaluations[0].labels, mean).figures(len(lost))
        figures = robustness.added(figures, split, answers(members), options)
    names = ", ".join(sorted({member.model for member, _ in members}))
    return Result(
        {"workdirs": list(map(str, workdirs))},
        f"ensemble of {len(workdirs)} ({names})",
        split,
        figures,
        [evaluation.accuracy for evaluation in evaluations],
    )


def answers(members: Sequence[tuple[RunConfig, keras.Model]]) -> Callable[[np.ndarray], np.ndarray]:
    """The models of some runs as one function of raw images: the mean of their probabilities.

    Returns:
      A function from uint8 [N, H, W, C] to float32 [N, K]; its graph is traced once.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def mean(images: tf.Tensor) -> tf.Tensor:
        logits = (model(config.preprocess(images), training=False) for config, model in members)
        return tf.reduce_mean([tf.nn.softmax(each) for each in logits], axis=0)

    return lambda images: mean(tf.constant(images)).numpy()

"""`digitline train`: a prepared dataset to a trained model in a run folder."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import addresses, catalog, command, configs, files, progress
from ..base.command_flags import changed, list_flag, typed
from ..base.errors import UsageError, UserError
from ..base.files import JsonObject
from ..data import prepare
from . import registry
from .run.records import TrainingRecord
from .training import own_data
from .training.options import FLAGS, TrainOptions, from_flags

if TYPE_CHECKING:  # What loads TensorFlow is imported where it is needed.
    from ..data.dataset import Dataset
    from .run.config import RunConfig
    from .run.folder import Run
    from .run.records import Figures
    from .training.selection import Selection


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
      workdir: the run folder; None after a dry run, which leaves none.
      reused: whether the run was finished before.
      validation_accuracy: 0 to 1; the loss is in nats.
    """

    workdir: Path | None
    model: str
    recipe: str
    dataset: str
    reused: bool
    validation_split: str
    validation_accuracy: float
    validation_loss: float
    record: TrainingRecord


def run(options: TrainOptions) -> Result:
    """Trains, resumes, or finds the run finished."""
    if options.dry_run:
        with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
            # The folder is gone when the result is read.
            return dataclasses.replace(_train(options, Path(folder)), workdir=None)
    with catalog.written(options.workdir):
        return _train(options, options.workdir)


def _train(options: TrainOptions, workdir: Path | None) -> Result:
    # The imports in functions load TensorFlow.
    from ..base.tf import tf
    from ..data.dataset import open_dataset
    from . import defaults

    _check(options)
    if options.pipeline.deterministic:
        tf.config.experimental.enable_op_determinism()
    name, said = options.dataset, ()
    if options.data:
        prepared = own_data.prepare(options.data, options.data_dir, options.files, _typed(options))
        progress.say(prepare.summary(prepared))
        name, said = prepared.dataset, prepared.warnings
    dataset = open_dataset(options.data_dir, name)
    folder, selection, config = _place(options, dataset, workdir)
    if config.init_from and addresses.local(config.init_from).parent == folder.workdir.resolve():
        raise UsageError(f"--init_from={options.init_from} is in --workdir: choose another")
    before = None if options.overwrite else defaults.earlier(folder)
    config, notes = defaults.fitted(config, _changes(options), selection, before)
    notes = [*(note for note in selection.notes if note not in said), *notes]
    split = config.dataset.validation_split
    examples = sum(split.examples for split in selection.trained_on)
    with folder.training(config, examples, options.overwrite, options.extend) as longer:
        notes += longer
        if folder.finished and _has_more_time(folder.load_record(), options.settings.max_minutes):
            notes.append(f"{folder.workdir} was ended by --max_minutes: it goes on")
            folder.reopen()
        reused = folder.finished
        if reused:
            progress.say(f"{folder.workdir} is already finished; --overwrite trains it again")
        else:
            _train_and_report(options, folder, config, selection, notes)
        figures = folder.evaluation_of(split) or _evaluate_again(options, folder, selection)
    return Result(
        workdir=folder.workdir,
        model=options.model,
        recipe=options.recipe,
        dataset=dataset.name,
        reused=reused,
        validation_split=split,
        validation_accuracy=figures.accuracy,
        validation_loss=figures.loss,
        record=folder.load_record(),
    )


def _place(
    options: TrainOptions, dataset: "Dataset", workdir: Path | None
) -> "tuple[Run, Selection, RunConfig]":
    """Where the run goes, and what it is there: one that the last release began goes on."""
    from .run.config import differences
    from .run.folder import Run, default_folders

    if workdir is not None:
        return Run(workdir), *_plan(options, dataset, Run(workdir))
    folder, former = default_folders(dataset.name, options.model)
    if former.config.exists() and not folder.config.exists():
        with contextlib.suppress(UserError):
            selection, config = _plan(options, dataset, former)
            there = former.load_config()
            here = there.resumed_with(config) if there.is_of_last_release else config
            if not differences(there, here):
                progress.say(f"{former.workdir} holds this very run: it goes on there")
                return former, selection, config
    return folder, *_plan(options, dataset, folder)


def _plan(
    options: TrainOptions, dataset: "Dataset", folder: "Run"
) -> "tuple[Selection, RunConfig]":
    """What a run in a folder is: what no flag says of its splits is as in the one there."""
    from . import defaults
    from .training.selection import select

    before = None if options.overwrite else defaults.earlier(folder)
    recorded = before.dataset if before and before.dataset.name == dataset.name else None
    selection = select(options, dataset, recorded)
    return selection, _config(options, dataset, selection)


def _check(options: TrainOptions) -> None:
    """Refuses what is wrong before anything is prepared, by a `UserError`."""
    from .run.weights import trained_model

    recipes = registry.get(options.model).RECIPES
    if options.recipe not in recipes:
        raise UsageError(
            f"--recipe={options.recipe}: {options.model} has no {options.recipe} recipe; choose "
            f"from: {', '.join(recipes)}"
        )
    if options.changes.get("epochs") == 0:
        raise UsageError("--epochs=0 trains nothing")
    if options.init_from:
        trained_model(options.init_from)


def _typed(options: TrainOptions) -> list[str]:
    """The flags that were given, but for those of people's own files."""
    rest = dataclasses.replace(options, data=None, data_dir=TrainOptions.data_dir)
    return [
        *changed(rest),
        *(typed(name, value) for name, value in options.changes.items()),
        *changed(options.pipeline),
        *changed(options.settings),
    ]


def _has_more_time(record: TrainingRecord, max_minutes: float) -> bool:
    """Whether a run was ended by its time, and has more of it now."""
    is_longer = not max_minutes or max_minutes * 60 > record.seconds
    return record.ended_by == "max_minutes" and record.steps > 0 and is_longer


def _changes(options: TrainOptions) -> Mapping[str, float | str]:
    """The recipe's fields that are set; a dry run is short."""
    return {**options.changes, **({"max_steps": 2, "epochs": 2.0} if options.dry_run else {})}


def _config(options: TrainOptions, dataset: "Dataset", selection: "Selection") -> "RunConfig":
    """What the run is, with the network's own recipe as the flags have it.

    Raises:
      UsageError: the network cannot take the dataset's images, or an option is wrong.
    """
    from .run.config import RunConfig
    from .run.weights import trained_model

    name, network = options.model, registry.get(options.model)
    recipe = dataclasses.replace(network.RECIPES[options.recipe], **_changes(options))
    pipeline = options.pipeline
    if pipeline.cache != "off":
        pipeline = dataclasses.replace(pipeline, shuffle_buffer=None)
    init_from = trained_model(options.init_from) if options.init_from else None
    return RunConfig(
        model=name,
        recipe_name=options.recipe,
        recipe=recipe,
        preprocess=registry.preprocess(network, dataset.image_shape, recipe),
        dataset=selection.config,
        pipeline=pipeline,
        data_dir=str(options.data_dir.resolve()),
        seed=options.seed,
        recorded_pictures=dataset.pictures,
        init_from=None if init_from is None else str(init_from.resolve()),
        init_sha256=None if init_from is None else files.sha256(init_from),
    )


def _train_and_report(
    options: TrainOptions,
    folder: "Run",
    config: "RunConfig",
    selection: "Selection",
    notes: Sequence[str],
) -> None:
    """Trains to the end, and finishes the run folder.

    Args:
      notes: to be said under the header.
    """
    from ..data.pipeline import salvage
    from .training import loop
    from .training.input import EVALUATION_BATCH
    from .training.selection import Selection

    if options.dry_run:
        selection = selection.first_batches(2 * config.recipe.batch_size, 2 * EVALUATION_BATCH)
    splits = [*selection.trained_on, selection.validation]
    (training, *mixed, validation), lost = salvage.usable(
        splits, options.max_corrupt_records, folder.workdir / "salvaged"
    )
    settings = options.settings
    if options.dry_run or settings.cache_dir is None:  # A dry run leaves no cache either.
        settings = dataclasses.replace(settings, cache_dir=folder.workdir / "cache")
    selection = Selection(training, tuple(mixed), validation)
    trained = loop.train(folder, config, selection, settings, notes)
    folder.add_evaluation(validation.name, trained.evaluation.figures())
    salvage.report(lost)  # Again, where it is not scrolled away.
    record = dataclasses.replace(trained.record, corrupt_records=len(lost))
    folder.finish(trained.model, record, training.dataset)
    if options.dry_run:
        folder.load()
    elif options.report:
        from .report import write

        write.after_training(
            folder, trained.model, training, validation, trained.evaluation, settings.tensorboard
        )


def _evaluate_again(options: TrainOptions, folder: "Run", selection: "Selection") -> "Figures":
    """Validates a finished run again, since the figures of its validation split are gone."""
    from ..data.pipeline import salvage
    from .evaluation.metrics import evaluator
    from .training.input import validation_batches

    split = selection.validation
    progress.say(f"{folder.evaluation} lacks the figures of {split.name}: evaluating it again")
    config, model = folder.load()
    (split,), _ = salvage.usable([split], options.max_corrupt_records, folder.workdir / "salvaged")
    figures = evaluator(model)(validation_batches(config, split)).figures()
    folder.add_evaluation(split.name, figures)
    return figures


def to_json(result: Result) -> JsonObject:
    """The result as JSON: the record's figures are beside the others, without the files'."""
    config = configs.to_config(result)
    del config["record"]["made"]
    dry_run = {} if result.workdir else {"dry_run": True}
    return {**dry_run, **config, **config.pop("record")}


def text(result: Result) -> str:
    """The result for a person."""
    record = result.record
    if result.workdir is None:
        return (
            f"dry run: {result.model} ({record.parameters:,} parameters) trains on "
            f"{result.dataset}, is validated, saved and loaded; nothing is left of the run"
        )
    evaluate = command.command_line("evaluate", list_flag("workdir", [result.workdir]))
    return (
        f"{result.model} ({record.parameters:,} parameters) on {result.dataset}: "
        f"validation accuracy {result.validation_accuracy:.2%} after {record.steps:,} steps "
        f"in {progress.duration(record.seconds)} ({record.images_per_s:,.0f} images/s)\n"
        f"in {result.workdir}\n"
        f"next: {evaluate}"
    )


COMMAND = command.Command(
    name="train",
    summary="Trains a network on a prepared dataset. The same command again resumes an "
    "unfinished run at the step it was stopped at; a finished one is left as it is.",
    flags=FLAGS,
    options=from_flags,
    run=run,
    text=text,
    to_json=to_json,
)

if __name__ == "__main__":
    command.main(COMMAND)

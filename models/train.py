"""`digitline train`: a prepared dataset to a trained model in a run folder."""

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import addresses, catalog, command, configs, files, progress
from ..base.command_flags import changed, list_flag, typed
from ..base.errors import UsageError, UserError
from ..base.files import JsonObject
from ..base.process import temporary
from ..data import prepare
from . import choice, registry
from .run.records import TrainingRecord
from .training import checks, own_data
from .training.devices import local
from .training.devices.cluster import stated
from .training.options import FLAGS, TrainOptions, from_flags

if TYPE_CHECKING:  # What loads TensorFlow is imported where it is needed.
    from ..data.dataset import Dataset
    from .run.config import RunConfig
    from .run.folder import Run
    from .run.records import Figures
    from .training.devices.strategy import Devices
    from .training.selection import Selection


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
      workdir: the run folder; None after a dry run, which leaves none, and at a worker that is not
        the chief, which has none.
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
    worker: int = 0


def run(options: TrainOptions) -> Result:
    """Trains, resumes, or finds the run finished."""
    if options.local_workers > 1:
        alone = dataclasses.replace(options, local_workers=1)
        return local.run(__name__, alone, options.local_workers)
    devices = _devices(options)
    with devices.workers.present():
        return _run_on(devices, options)


def _run_on(devices: "Devices", options: TrainOptions) -> Result:
    if not devices.workers.is_chief:
        return _assist(options, devices)
    if options.dry_run:
        with temporary.folder() as folder:
            # The folder is gone when the result is read.
            return dataclasses.replace(_train(options, folder, devices), workdir=None)
    with catalog.written(options.workdir):
        return _train(options, options.workdir, devices)


def _devices(options: TrainOptions) -> "Devices":
    """What it trains on; refuses what is wrong before anything is prepared."""
    cluster = stated()
    checks.before_anything(options, cluster)
    # These load TensorFlow, as the imports in other functions do.
    from ..base.tf import tf
    from .training.devices import strategy

    if options.pipeline.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy.make(options.settings.strategy, cluster, options.settings.join_minutes)


def _train(options: TrainOptions, workdir: Path | None, devices: "Devices") -> Result:
    from ..data.dataset import open_dataset
    from . import defaults

    name, said = options.dataset, ()
    if options.data:
        prepared = own_data.prepare(
            options.data,
            options.data_dir,
            options.files,
            _typed(options),
            choice.largest_square(options),
        )
        progress.say(prepare.summary(prepared))
        name, said = prepared.dataset, prepared.warnings
    dataset = open_dataset(options.data_dir, name)
    options = choice.with_network(options, dataset)
    checks.require_recipe(options)
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
        config = dataclasses.replace(config, id=folder.load_config().id)
        if folder.finished and _has_more_time(folder.load_record(), options.settings.max_minutes):
            notes.append(f"{folder.workdir} was ended by --max_minutes: it goes on")
            folder.reopen()
        reused = folder.finished
        if reused:
            progress.say(f"{folder.workdir} is already finished; --overwrite trains it again")
            devices.workers.text_of_chief()
            if options.report:
                from .report import write

                tensorboard = options.settings.tensorboard
                splits = selection.training, selection.validation
                write.make_up(folder, *splits, options.max_corrupt_records, tensorboard)
        else:
            devices.workers.text_of_chief(json.dumps(config.to_config()))
            _train_and_report(options, folder, config, selection, devices, notes)
        figures = folder.evaluations.of(split) or _evaluate_again(options, folder, selection)
    result = Result(
        workdir=folder.workdir,
        model=config.model,
        recipe=options.recipe,
        dataset=dataset.name,
        reused=reused,
        validation_split=split,
        validation_accuracy=figures.accuracy,
        validation_loss=figures.loss,
        record=folder.load_record(),
    )
    said_of_it = dataclasses.replace(result, workdir=None)
    devices.workers.text_of_chief(json.dumps(configs.to_config(said_of_it)))
    return result


def _assist(options: TrainOptions, devices: "Devices") -> Result:
    """What a worker does that is not the chief."""
    from .training.devices.assist import assist

    if options.data:
        progress.say(f"worker {devices.workers.index} waits: the chief prepares {options.data}")
    result = configs.from_config(Result, json.loads(assist(options, devices)))
    return dataclasses.replace(result, worker=devices.workers.index)


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
            given = _changes(options)
            here = there.resumed_with(config, given) if there.is_of_last_release else config
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
    devices: "Devices",
    notes: Sequence[str],
) -> None:
    """Trains to the end, and finishes the run folder.

    Args:
      notes: to be said under the header.
    """
    from ..data.pipeline import salvage
    from .training import loop
    from .training.watch import Watch

    salvaged, read = folder.workdir / "salvaged", selection.read
    selection, lost = selection.usable(options, config.recipe.batch_size, salvaged)
    watch = Watch(folder, read, lost)
    training, validation = selection.training, selection.validation
    settings = options.settings
    if options.dry_run or settings.cache_dir is None:  # A dry run leaves no cache either.
        settings = dataclasses.replace(settings, cache_dir=folder.workdir / "cache")
    trained = loop.train(folder, config, selection, settings, devices, watch, notes)
    # Figures of other splits, if a kill left some, are of what the run was before.
    files.remove(folder.evaluation)
    folder.evaluations.add(validation.name, trained.evaluation.figures())
    salvage.report(lost)  # Again, where it is not scrolled away.
    record = dataclasses.replace(trained.record, corrupt_records=len(lost))
    watch.require_same()
    if options.dry_run or not options.report:
        folder.finish(trained.model, record, watch.of(training.dataset))
        if options.dry_run:
            folder.load()
        return
    from .report import write

    write.discard(folder)
    folder.finish(trained.model, record, watch.of(training.dataset))
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
    salvaged = folder.workdir / "salvaged"
    (split,), lost = salvage.usable([split], options.max_corrupt_records, salvaged)
    folder.require_same_data([selection.validation], lost)
    figures = evaluator(model)(validation_batches(config, split)).figures()
    folder.evaluations.add(split.name, figures)
    return figures


def to_json(result: Result) -> JsonObject:
    """The result as JSON: the record's figures are beside the others, without the files'."""
    config = configs.to_config(result)
    del config["record"]["made"]
    dry_run = {} if result.workdir or result.worker else {"dry_run": True}
    return {**dry_run, **config, **config.pop("record")}


def text(result: Result) -> str:
    """The result for a person."""
    record = result.record
    if result.worker:
        return (
            f"worker {result.worker}: {result.model} on {result.dataset} is trained, validation "
            f"accuracy {result.validation_accuracy:.2%}; the run folder is where worker 0, the "
            "chief, has it"
        )
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

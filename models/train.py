"""`digitline train`: a prepared dataset to a trained model in a run folder."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from ..base import command, progress
from ..base.errors import UsageError
from . import recipe as recipes
from . import registry
from .training import own_data
from .training.flags import FLAGS


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Trains, resumes, or finds the run finished."""
    del arguments
    if values.dry_run:
        with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
            # The folder is gone when the result is read.
            return {"dry_run": True, **_train(values, Path(folder)), "workdir": None}
    return _train(values, Path(values.workdir or f"runs/{values.model}"))


def _train(values: Any, workdir: Path) -> dict[str, Any]:
    # The imports below load TensorFlow.
    from ..base.tf import tf
    from ..data.dataset import open_dataset
    from ..data.pipeline import salvage
    from .run import Run
    from .training import loop, selection

    if values.deterministic:
        tf.config.experimental.enable_op_determinism()
    if values.data and values["dataset"].present:
        raise UsageError(f"--data={values.data} and --dataset={values.dataset}: give one of them")
    data_dir = Path(values.data_dir)
    name = own_data.prepare(Path(values.data), data_dir) if values.data else values.dataset
    dataset = open_dataset(data_dir, name)
    selection.require_classes(dataset)
    train_split, validation_split = selection.splits(values, dataset)
    sources = selection.sources(values, dataset, train_split)
    config = _config(values, sources, validation_split)
    validation = dataset.split(validation_split)
    if values.dry_run:
        sources = selection.first_batches(sources, config.recipe.batch_size, 2)
        (validation,) = selection.first_batches([validation], loop.EVALUATION_BATCH, 2)
    own_cache = values.dry_run or not values.cache_dir  # A dry run leaves no cache either.
    settings = loop.Settings(
        log_steps=values.log_steps,
        validation_epochs=values.validation_epochs,
        checkpoint_interval_s=values.checkpoint_interval_s,
        keep_checkpoints=values.keep_checkpoints,
        max_minutes=values.max_minutes,
        tensorboard=values.tensorboard,
        cache_dir=workdir / "cache" if own_cache else Path(values.cache_dir),
    )
    folder = Run(workdir)
    result = {
        "workdir": str(workdir),
        "model": values.model,
        "recipe": values.recipe,
        "dataset": dataset.name,
    }
    with folder.training(config, values.overwrite):
        if folder.finished:
            progress.say(f"{folder.workdir} is finished already; --overwrite trains it anew")
            _evaluate_if_lost(values, folder, config, validation)
            return {**result, "reused": True, **_recorded(folder, config)}
        given = [*sources, validation]
        given, lost = salvage.usable(given, values.max_corrupt_records, workdir / "salvaged")
        model, figures, went = loop.train(folder, config, given[:-1], given[-1], settings)
        folder.add_evaluation(validation_split, figures.to_json())
        salvage.report(lost)  # Once more, where it is not scrolled away.
        record = {"parameters": model.count_params(), "corrupt_records": len(lost), **went}
        folder.finish(model, record)
        if values.dry_run:
            folder.load()
        elif values.report:
            from .report import write as report_write

            report_write.after_training(
                folder, model, given[0], given[-1], figures, values.tensorboard
            )
    return {**result, "reused": False, **_recorded(folder, config)}


def _config(values: Any, sources: list[Any], validation_split: str) -> Any:
    """What the run is.

    Raises:
      UsageError: the network cannot take the dataset's images, or a flag is wrong.
    """
    from .run import RunConfig

    module, dataset = registry.get(values.model), sources[0].dataset
    if values.recipe not in module.RECIPES:
        raise UsageError(f"--recipe={values.recipe}: {values.model} is of no article; it has best")
    recipe = recipes.override(module.RECIPES[values.recipe], values)
    if values.dry_run:
        recipe = dataclasses.replace(recipe, max_steps=2, epochs=2.0)
    if 2 * recipe.crop >= min(dataset.image_shape[:2]):
        whose = "" if values["crop"].present else " of the recipe"
        why = f": --crop={recipe.crop}{whose} cuts so many pixels from each side, and leaves none"
        raise registry.cannot_take(values.model, dataset.image_shape, recipe.crop, why)
    preprocess = module.preprocess(dataset.image_shape, recipe)
    if recipe.crop and preprocess.resizing != "crop":
        raise UsageError(f"--crop={recipe.crop}: {values.model} takes one size of images alone")
    return RunConfig(
        model=values.model,
        recipe_name=values.recipe,
        recipe=recipe,
        preprocess=preprocess,
        dataset={
            "name": dataset.name,
            "version": dataset.version,
            "fingerprint": dataset.fingerprint,
            "label_names": list(dataset.label_names),
            "train_split": sources[0].name,
            "validation_split": validation_split,
            "mix": [
                {
                    "name": split.dataset.name,
                    "fingerprint": split.dataset.fingerprint,
                    "split": split.name,
                    "weight": split.weight,
                }
                for split in sources[1:]
            ],
        },
        pipeline={
            "cache": values.cache,
            "shuffle_buffer": values.shuffle_buffer if values.cache == "off" else None,
            "balance_classes": values.balance_classes,
            "skip": values.skip,
            "take": values.take,
            "shard": values.shard,
            "deterministic": values.deterministic,
        },
        data_dir=str(Path(values.data_dir).resolve()),
        seed=values.seed,
    )


def _evaluate_if_lost(values: Any, folder: Any, config: Any, validation: Any) -> None:
    """Validates a finished run again, where the figures of its validation split are gone."""
    from ..base import files
    from ..data.pipeline import salvage
    from .evaluation import metrics as evaluation
    from .training import loop

    split = validation.name
    if folder.evaluation.exists() and split in files.read_json(folder.evaluation):
        return
    progress.say(f"{folder.evaluation} lacks the figures of {split}: evaluating it anew")
    _, model = folder.load()
    given, _ = salvage.usable([validation], values.max_corrupt_records, folder.workdir / "salvaged")
    batches = loop.validation_batches(config, given[0])
    folder.add_evaluation(split, evaluation.evaluator(model)(batches).to_json())


def _recorded(folder: Any, config: Any) -> dict[str, Any]:
    """The figures of a finished run, from its folder."""
    from ..base import files

    split = config.dataset["validation_split"]
    figures = files.read_json(folder.evaluation)[split]
    return {
        "validation_split": split,
        "validation_accuracy": figures["accuracy"],
        "validation_loss": figures["loss"],
        **files.read_json(folder.training_record),
    }


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    if result.get("dry_run"):
        return (
            f"dry run: {result['model']} ({result['parameters']:,} parameters) trains on "
            f"{result['dataset']}, is validated, saved and loaded; nothing is left of the run"
        )
    return (
        f"{result['model']} ({result['parameters']:,} parameters) on {result['dataset']}: "
        f"validation accuracy {result['validation_accuracy']:.2%} after {result['steps']:,} steps "
        f"in {progress.duration(result['seconds'])} ({result['images_per_s']:,.0f} images/s)\n"
        f"in {result['workdir']}\n"
        f"next: {command.program()} evaluate --workdir={result['workdir']}"
    )


COMMAND = command.from_values(
    name="train",
    summary="Trains a network on a prepared dataset. The same command again resumes an "
    "unfinished run at the step it was stopped at; a finished one is left as it is.",
    flags=FLAGS,
    run=run,
    text=text,
)


def main(model: str | None = None) -> None:
    """Runs the command; `model` replaces the default of --model."""
    if model:
        FLAGS.set_default("model", model)
    command.main(COMMAND)


if __name__ == "__main__":
    main()

"""`digitline train`: a prepared dataset to a trained model in a run folder."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from ..base import command, progress
from ..base.errors import UsageError
from . import recipe as recipes
from . import registry
from .train_flags import FLAGS


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Trains, resumes, or finds the run finished."""
    del arguments
    if values.dry_run:
        with tempfile.TemporaryDirectory(prefix="digitline-") as folder:
            return {"dry_run": True, **_train(values, Path(folder))}
    return _train(values, Path(values.workdir or f"runs/{values.model}"))


def _train(values: Any, workdir: Path) -> dict[str, Any]:
    # The imports below load TensorFlow.
    from ..base.tf import tf
    from ..data import salvage
    from ..data.dataset import open_dataset
    from ..data.pipeline import Source
    from . import loop, selection
    from .run import Run

    if values.deterministic:
        tf.config.experimental.enable_op_determinism()
    name = _own_data(values) if values.data else values.dataset
    dataset = open_dataset(Path(values.data_dir), name)
    train_split, validation_split = selection.splits(values, dataset)
    sources = selection.sources(values, dataset, train_split)
    config = _config(values, sources, validation_split)
    validation = Source(dataset, validation_split)
    if values.dry_run:
        sources = selection.first_batches(sources, config.recipe.batch_size, 2)
        (validation,) = selection.first_batches([validation], loop.EVALUATION_BATCH, 2)
    settings = loop.Settings(
        log_steps=values.log_steps,
        validation_epochs=values.validation_epochs,
        checkpoint_interval_s=values.checkpoint_interval_s,
        keep_checkpoints=values.keep_checkpoints,
        max_minutes=values.max_minutes,
        tensorboard=values.tensorboard,
        cache_dir=Path(values.cache_dir) if values.cache_dir else workdir / "cache",
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
            return {**result, "reused": True, **_recorded(folder, config)}
        given = [*sources, validation]
        given, lost = selection.usable(given, values.max_corrupt_records, workdir / "salvaged")
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
    try:
        preprocess = module.preprocess(dataset.image_shape, recipe)
    except ValueError as error:
        raise UsageError(f"--crop={recipe.crop}: {error}") from None
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
            "train_split": sources[0].split,
            "validation_split": validation_split,
            "mix": [
                {
                    "name": source.dataset.name,
                    "fingerprint": source.dataset.fingerprint,
                    "split": source.split,
                    "weight": source.weight,
                }
                for source in sources[1:]
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


def _own_data(values: Any) -> str:
    """Prepares the images of --data, unless they are prepared; returns the dataset's name."""
    from ..data import prepare

    path = Path(values.data)
    if path.is_dir():
        what = ["--dataset=image_folder", f"--source_dir={path}"]
    elif path.suffix.lower() in (".npz", ".csv"):
        what = [f"--dataset={path.suffix[1:].lower()}", f"--source_file={path}"]
    else:
        raise UsageError(
            f"--data={path}: expected an .npz file, a .csv file or a folder of pictures"
        )
    return command.call(prepare.COMMAND, [*what, f"--data_dir={values.data_dir}"])["dataset"]


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
            f"{result['dataset']}, is validated, saved and loaded; nothing is left of it"
        )
    return (
        f"{result['model']} ({result['parameters']:,} parameters) on {result['dataset']}: "
        f"validation accuracy {result['validation_accuracy']:.2%} after {result['steps']:,} steps "
        f"in {progress.duration(result['seconds'])} ({result['images_per_s']:,.0f} images/s)\n"
        f"in {result['workdir']}\n"
        f"next: {command.program()} evaluate --workdir={result['workdir']}"
    )


COMMAND = command.Command(
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

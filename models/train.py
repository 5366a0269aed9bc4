"""`digitline train`: a prepared dataset to a trained model in a run folder."""

import dataclasses
from pathlib import Path
from typing import Any

from absl import flags

from ..base import command, progress
from ..base.errors import UsageError
from ..data.common_flags import define_max_corrupt_records
from . import recipe as recipes
from . import registry

FLAGS = command.new_flags()
_WHAT = command.group(FLAGS, "What to train")
_DATA = command.group(FLAGS, "Data")
_RECIPE = command.group(FLAGS, "Recipe (each flag's default is the recipe's own value)")
_HOW = command.group(FLAGS, "How it runs")

command.define_one_of("model", "lenet5", registry.NAMES, "Network to train.", **_WHAT)
command.define_one_of(
    "recipe",
    "best",
    registry.RECIPES,
    "article: the article's own hyperparameters. best: the same layers, trained better.",
    **_WHAT,
)
flags.DEFINE_string("workdir", None, "Run folder (default: runs/<model>).", **_WHAT)
flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the weights and of the order.",
    lower_bound=0,
    upper_bound=2**31 - 1,
    **_WHAT,
)
flags.DEFINE_bool("overwrite", False, "Delete the run in --workdir and train anew.", **_WHAT)

flags.DEFINE_string("dataset", "mnist", "Name of a prepared dataset.", **_DATA)
flags.DEFINE_string("data_dir", "datasets", "Root folder of prepared datasets.", **_DATA)
flags.DEFINE_string(
    "train_split",
    None,
    "Split to train on, in TFDS's syntax (default: what --validation_split's default leaves; "
    "for MNIST train[5000:]).",
    **_DATA,
)
flags.DEFINE_string(
    "validation_split",
    None,
    "Split to validate on (default: the dataset's own, else the first twelfth of train; "
    "for MNIST train[:5000]).",
    **_DATA,
)
command.define_one_of(
    "cache",
    "memory",
    ("memory", "file", "off"),
    "Where the decoded training split is held: in memory, in a file in --cache_dir that is "
    "mapped into memory, or nowhere: then it is read anew in each epoch.",
    **_DATA,
)
flags.DEFINE_string(
    "cache_dir", None, "Folder of the cache file (default: <workdir>/cache).", **_DATA
)
flags.DEFINE_integer(
    "shuffle_buffer",
    10_000,
    "With --cache=off: examples that the order is drawn from. Else the whole split is shuffled.",
    lower_bound=1,
    **_DATA,
)
flags.DEFINE_integer(
    "skip", 0, "For trials: pass over so many training images.", lower_bound=0, **_DATA
)
flags.DEFINE_integer(
    "take", None, "For trials: train on so many images alone.", lower_bound=1, **_DATA
)
flags.DEFINE_list(
    "mix",
    [],
    "Other prepared datasets to train on too, name:weight,…; --dataset has the weight 1. "
    "Their shapes and classes must be the same.",
    **_DATA,
)
flags.DEFINE_bool("balance_classes", False, "As many training images of each class.", **_DATA)
flags.DEFINE_string(
    "shard",
    "0/1",
    "Train on one of several disjoint parts of the training split, i/n: the i-th, from 0, of n.",
    **_DATA,
)
define_max_corrupt_records(**_DATA)

recipes.define_flags(**_RECIPE)

flags.DEFINE_integer(
    "steps_per_call", 100, "Optimizer steps in one graph call.", lower_bound=1, **_HOW
)
flags.DEFINE_float(
    "checkpoint_interval_s",
    30.0,
    "Seconds between two checkpoints; a killed run loses no more than that.",
    lower_bound=0.0,
    **_HOW,
)


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Trains, resumes, or finds the run finished."""
    del arguments
    # The imports below load TensorFlow.
    from ..data import salvage
    from ..data.dataset import open_dataset
    from ..data.pipeline import Source
    from . import loop
    from .run import Run, RunConfig

    module = registry.get(values.model)
    recipe = recipes.override(module.RECIPES[values.recipe], values)
    dataset = open_dataset(Path(values.data_dir), values.dataset)
    train_split, validation_split = _splits(values, dataset)
    sources = _sources(values, dataset, train_split)
    config = RunConfig(
        model=values.model,
        recipe_name=values.recipe,
        recipe=recipe,
        preprocess=module.preprocess(dataset.image_shape, recipe),
        dataset={
            "name": dataset.name,
            "version": dataset.version,
            "fingerprint": dataset.fingerprint,
            "label_names": list(dataset.label_names),
            "train_split": train_split,
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
        },
        data_dir=str(Path(values.data_dir).resolve()),
        seed=values.seed,
    )
    folder = Run(Path(values.workdir or f"runs/{values.model}"))
    result = {
        "workdir": str(folder.workdir),
        "model": values.model,
        "recipe": values.recipe,
        "dataset": dataset.name,
    }
    with folder.training(config, values.overwrite):
        if folder.finished:
            progress.say(f"{folder.workdir} is finished already; --overwrite trains it anew")
            return {**result, "reused": True, **_recorded(folder, config)}
        sources, lost = _usable(
            [*sources, Source(dataset, validation_split)],
            values.max_corrupt_records,
            folder.workdir / "salvaged",
        )
        *sources, validation = sources
        model, figures, went = loop.train(
            folder,
            config,
            sources,
            validation,
            steps_per_call=values.steps_per_call,
            checkpoint_interval_s=values.checkpoint_interval_s,
            cache_dir=Path(values.cache_dir) if values.cache_dir else folder.workdir / "cache",
        )
        folder.add_evaluation(validation_split, figures.to_json())
        salvage.report(lost)  # Once more, where it is not scrolled away.
        record = {"parameters": model.count_params(), "corrupt_records": len(lost), **went}
        folder.finish(model, record)
    return {**result, "reused": False, **_recorded(folder, config)}


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


def _splits(values: Any, dataset: Any) -> tuple[str, str]:
    """The training and the validation split, by the flags or by default.

    Raises:
      UsageError: one is empty, or they share images: the validation figure would be false.
    """
    from ..data import shards

    splits = dataset.default_splits()
    train_split, validation_split = (
        given or default
        for given, default in zip(
            (values.train_split, values.validation_split), splits, strict=True
        )
    )
    for flag, split in (("train", train_split), ("validation", validation_split)):
        if not dataset.num_examples(split):
            raise UsageError(f"--{flag}_split={split} of {dataset.name} holds no images")
    common = shards.common(dataset.shards(train_split), dataset.shards(validation_split))
    if common:
        raise UsageError(
            f"--train_split={train_split} and --validation_split={validation_split} share "
            f"{common:,} images; give both so that they share none"
        )
    return train_split, validation_split


def _sources(values: Any, dataset: Any, train_split: str) -> list[Any]:
    """What to train on: the dataset, and those that are mixed in.

    Raises:
      UsageError: a mix is not name:weight, or its dataset does not fit.
    """
    from ..data import shards
    from ..data.dataset import open_dataset
    from ..data.pipeline import Source

    index, number = _shard(values.shard)
    parts = dataset.shards(train_split)
    stop = values.skip + values.take if values.take else shards.count(parts)
    parts = shards.of_worker(shards.cut(parts, values.skip, stop), index, number)
    sources = [Source(dataset, train_split, parts)]
    for each in values.mix:
        name, _, word = each.rpartition(":")
        try:
            weight = float(word)
        except ValueError:
            weight = 0.0
        if not name or not 0 < weight < float("inf"):
            raise UsageError(f"--mix={each}: name:weight was expected, the weight above 0")
        other = open_dataset(Path(values.data_dir), name)
        if (other.image_shape, other.num_classes) != (dataset.image_shape, dataset.num_classes):
            raise UsageError(
                f"--mix={each}: {name} has images {list(other.image_shape)} and "
                f"{other.num_classes} classes, {dataset.name} {list(dataset.image_shape)} and "
                f"{dataset.num_classes}"
            )
        split = other.default_splits()[0]
        parts = shards.of_worker(other.shards(split), index, number)
        sources.append(Source(other, split, parts, weight))
    for source in sources:
        if not shards.count(source.shards or ()):
            raise UsageError(
                f"--skip={values.skip} --shard={values.shard} leave no images of {source.split} "
                f"of {source.dataset.name}"
            )
    return sources


def _shard(text: str) -> tuple[int, int]:
    """Which of how many parts.

    Raises:
      UsageError: it is not i/n with i below n.
    """
    index, _, number = text.partition("/")
    if index.isdecimal() and number.isdecimal() and int(index) < int(number):
        return int(index), int(number)
    raise UsageError(f"--shard={text}: expected i/n, such as 0/4 to 3/4")


def _usable(sources: list[Any], max_corrupt: int, folder: Path) -> tuple[list[Any], list[str]]:
    """The sources without damaged records, and a line for each; as they are if none may be lost."""
    from ..data import salvage

    if not max_corrupt:
        return sources, []
    lost: list[str] = []
    found = []
    for number, source in enumerate(sources):
        kept, more = salvage.usable(
            source.dataset, source.parts(), max_corrupt, folder / str(number), lost
        )
        lost += more
        found.append(dataclasses.replace(source, shards=kept))
    salvage.report(lost)
    return found, lost


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
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

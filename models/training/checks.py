"""What of the options of `train` is refused before anything is done."""

from ...base.errors import UsageError
from .. import registry
from .devices.cluster import Cluster
from .options import AUTO, TrainOptions


def before_anything(options: TrainOptions, cluster: Cluster | None) -> None:
    """Refuses what is wrong by a `UserError`, at all workers."""
    from ..run.weights import trained_model

    if options.model != AUTO:
        require_recipe(options)
    if options.changes.get("epochs") == 0:
        raise UsageError("--epochs=0 trains nothing")
    if options.init_from and not (cluster and cluster.index):  # Only the chief needs it.
        trained_model(options.init_from)


def require_recipe(options: TrainOptions) -> None:
    """Refuses, by a `UsageError`, a recipe that the network does not have, and flags of others."""
    recipes = registry.get(options.model).RECIPES
    if options.recipe not in recipes:
        raise UsageError(
            f"--recipe={options.recipe}: {options.model} has no {options.recipe} recipe; choose "
            f"from: {', '.join(recipes)}"
        )
    if registry.is_pretrained(options.model):
        if options.settings.data_service:
            raise UsageError(
                f"--data_service={options.settings.data_service}: it makes batches of images, and "
                f"{options.model} is trained on their features"
            )
        return
    for name in ("views", "fine_tune_epochs", "fine_tune_learning_rate"):
        if name in options.changes:
            raise UsageError(
                f"--{name} goes with a pretrained network, which {options.model} is not"
            )

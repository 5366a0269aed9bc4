"""A run that begins with the weights of another model: `--init_from`."""

from pathlib import Path

from ...base import catalog, progress
from ...base.errors import UsageError
from ...base.tables import short
from ...base.tf import keras
from . import keras_file
from .config import RunConfig
from .folder import Run

_SUFFIX = ".keras"


def trained_model(place: Path) -> Path:
    """The file of a trained model: the one of a run folder, or the one that is named.

    Raises:
      UserError: there is none.
    """
    if catalog.fetched(place).is_dir():
        run = Run(place)
        run.require_same_files()
        return run.model
    if place.suffix != _SUFFIX or not place.is_file():
        raise UsageError(f"--init_from={place}: expected a run folder or a {_SUFFIX} file")
    return place


def begin_with(model: keras.Model, config: RunConfig, path: Path) -> None:
    """Gives a new network the weights of a trained model, layer by layer; says what stays new.

    The last layer stays new where the classes are others.

    Args:
      model: the new network of `config`.
      path: a Keras file; of a run, the names of its classes are known.

    Raises:
      UsageError: a layer does not fit.
      UserError: the file cannot be loaded.
    """
    theirs = _with_weights(keras_file.load(path))
    ours = _with_weights(model)
    what = f"--init_from={path}"
    if len(theirs) != len(ours):
        raise UsageError(
            f"{what}: it has {len(theirs)} layers with weights, {config.model} has {len(ours)}"
        )
    known = _label_names(path)
    is_new = _shapes(ours[-1]) != _shapes(theirs[-1]) or known not in (None, config.label_names)
    for number, (own, other) in enumerate(zip(ours, theirs, strict=True), 1):
        is_head = number == len(ours) and is_new
        if _shapes(own, is_head) != _shapes(other, is_head):
            raise UsageError(
                f"{what}: its layer {number} of {len(ours)} with weights, {other.name}, has the "
                f"shapes {_shapes(other)}; {own.name} of {config.model} has {_shapes(own)} here"
            )
    if is_new and len(ours) == 1:
        raise UsageError(
            f"{what}: the classes are others, and {config.model} has no layer but the one that "
            "tells them apart: nothing is left to begin with"
        )
    kept = len(ours) - is_new
    for own, other in zip(ours[:kept], theirs[:kept], strict=True):
        own.set_weights(other.get_weights())
    progress.say(f"beginning with the weights of {path}; {_head(config, known, is_new)}")


def _head(config: RunConfig, known: tuple[str, ...] | None, is_new: bool) -> str:
    """What becomes of the last layer, in words."""
    if is_new:
        there = "other classes" if known is None else short(", ".join(known), 40)
        here = short(", ".join(config.label_names), 40)
        return f"its last layer is new, since the classes differ ({there} there; {here} here)"
    if known is None:
        return "its classes are not known, but as many: the last layer is taken over too"
    return "the classes are the same: the last layer is taken over too"


def _label_names(path: Path) -> tuple[str, ...] | None:
    run = Run(path.parent)
    if path.name == run.model.name and run.config.exists():
        return run.load_config().label_names
    return None


def _with_weights(model: keras.Model) -> list[keras.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _shapes(layer: keras.Layer, without_classes: bool = False) -> list[tuple[int, ...]]:
    """The shapes of a layer's weights; of a head, without the number of classes."""
    shapes = [tuple(weight.shape) for weight in layer.weights]
    return [shape[:-1] for shape in shapes] if without_classes else shapes

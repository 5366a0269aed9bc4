"""Hyperparameters: a frozen dataclass whose fields are the flags."""

import dataclasses
from typing import Any

from absl import flags

from ..base import command
from ..base.errors import DataError, UsageError

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "one_cycle", "step")
DTYPES = ("float32", "bfloat16")


def _field(default: Any, help_text: str, **limits: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": help_text, **limits})


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained. The help texts of the flags say what each field means."""

    optimizer: str = _field(
        "adam", "Optimizer; sgd is Nesterov's, with --momentum.", words=OPTIMIZERS
    )
    learning_rate: float = _field(1e-3, "Learning rate, at its peak.", lower_bound=0.0)
    schedule: str = _field(
        "constant",
        "How the learning rate goes on after the peak: constant; half a cosine to 0; one_cycle, "
        "a line from a 25th up to the peak within --warmup and one down to 0; step, times "
        "--decay_rate after each --decay_epochs.",
        words=SCHEDULES,
    )
    warmup: float = _field(
        0.0,
        "Share of the steps in which the learning rate climbs to its peak.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    decay_rate: float = _field(
        0.1, "With --schedule=step: the factor.", lower_bound=0.0, upper_bound=1.0
    )
    decay_epochs: float = _field(
        1.0, "With --schedule=step: epochs between two steps.", lower_bound=1e-6
    )
    momentum: float = _field(
        0.9, "Momentum, for --optimizer=sgd.", lower_bound=0.0, upper_bound=1.0
    )
    weight_decay: float = _field(
        0.0,
        "Share of each kernel that is taken off in a step, times the learning rate (decoupled; "
        "biases and batch normalization are left out).",
        lower_bound=0.0,
    )
    clip_norm: float = _field(
        0.0, "Gradients are scaled down to this global norm; 0 for no limit.", lower_bound=0.0
    )
    average: float = _field(
        0.0,
        "Decay of the moving average of the weights, which is then what is validated and kept; 0 "
        "for none.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    label_smoothing: float = _field(
        0.0,
        "Share of the target that is spread evenly over all classes; the training loss that is "
        "logged is against such targets, the validation loss against the labels.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    batch_size: int = _field(64, "Images in a step.", lower_bound=1)
    epochs: float = _field(
        5.0, "Passes over the training split; fractions are fine.", lower_bound=0.0
    )
    max_steps: int = _field(
        0, "End after so many steps, whatever --epochs says; 0 for no limit.", lower_bound=0
    )
    dtype: str = _field(
        "float32",
        "What the network computes in while it is trained; weights and exports are float32.",
        words=DTYPES,
    )
    patience: float = _field(
        0.0,
        "Stop when the validation loss has not fallen for so many epochs, and keep the weights "
        "with the best validation accuracy; 0 to go on to the end.",
        lower_bound=0.0,
    )
    keep: str = _field(
        "last",
        "Which weights are the trained model: the last, or those with the best validation "
        "accuracy.",
        words=("last", "best"),
    )
    mean: float = _field(0.0, "Subtracted from pixels that are scaled to 0..1.")
    std: float = _field(1.0, "Divides the pixels after --mean is subtracted.", lower_bound=1e-6)
    crop: int = _field(
        0, "Pixels cut from each side, of networks that take any size.", lower_bound=0
    )
    augment_shift: float = _field(0.0, "Random shift, up to so many pixels.", lower_bound=0.0)
    augment_rotate: float = _field(0.0, "Random rotation, up to so many degrees.", lower_bound=0.0)
    augment_scale: float = _field(
        0.0, "Random scale, up to this share larger or smaller.", lower_bound=0.0, upper_bound=0.9
    )
    augment_shear: float = _field(
        0.0, "Random shear, up to so many degrees.", lower_bound=0.0, upper_bound=80.0
    )
    augment_elastic: float = _field(
        0.0, "Random elastic distortion, up to so many pixels.", lower_bound=0.0
    )
    augment_erase: float = _field(
        0.0,
        "Random erased rectangle, its sides up to this share of the image's.",
        lower_bound=0.0,
        upper_bound=0.9,
    )
    augment_stroke: float = _field(
        0.0,
        "Random width of strokes, up to this share of a pixel wider or thinner on each side.",
        lower_bound=0.0,
        upper_bound=0.9,
    )

    def total_steps(self, examples: int) -> int:
        """Optimizer steps of a whole run over a split of that many examples."""
        steps = max(1, round(self.epochs * examples / self.batch_size))
        return min(steps, self.max_steps) if self.max_steps else steps

    def to_config(self) -> dict[str, Any]:
        """What `from_config` takes, as JSON can hold it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recipe":
        """The recipe back from its configuration.

        Raises:
          DataError: the configuration is not one of ours.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise DataError(f"the recipe in the configuration is wrong: {error}") from None


def define_flags(**where: Any) -> None:
    """Defines a flag for each field, without a default: the model's recipe has it."""
    for field in dataclasses.fields(Recipe):
        limits = dict(field.metadata)
        help_text = limits.pop("help")
        if field.type is str:
            command.define_one_of(field.name, None, limits["words"], help_text, **where)
        elif field.type is int:
            flags.DEFINE_integer(field.name, None, help_text, **limits, **where)
        else:
            flags.DEFINE_float(field.name, None, help_text, **limits, **where)


def override(recipe: Recipe, values: Any) -> Recipe:
    """The recipe with those fields replaced that the flags give.

    Raises:
      UsageError: it would train nothing.
    """
    given = {field.name: values[field.name].value for field in dataclasses.fields(Recipe)}
    given = {name: value for name, value in given.items() if value is not None}
    if given.get("epochs") == 0:
        raise UsageError("--epochs=0 trains nothing")
    return dataclasses.replace(recipe, **given)

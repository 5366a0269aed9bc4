"""Hyperparameters: a frozen dataclass whose fields are flags of `digitline train`."""

import dataclasses
from functools import partial

from ..base import command_flags

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "one_cycle", "step")
DTYPES = ("float32", "bfloat16")

_flag = partial(command_flags.flag, group="Recipe (each flag's default is the recipe's own value)")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a network is trained. The help texts of the flags say what each field means."""

    optimizer: str = _flag(
        "adam", "Optimizer; sgd is Nesterov's, with --momentum.", words=OPTIMIZERS
    )
    learning_rate: float = _flag(1e-3, "Learning rate, at its peak.", at_least=0.0)
    schedule: str = _flag(
        "constant",
        "How the learning rate continues after the peak: constant; cosine, half a period down "
        "to 0; one_cycle, a line from a 25th up to the peak within --warmup and one down to 0; "
        "step, times --decay_rate after each --decay_epochs.",
        words=SCHEDULES,
    )
    warmup: float = _flag(
        0.0,
        "Share of the steps in which the learning rate climbs to its peak.",
        at_least=0.0,
        at_most=1.0,
    )
    decay_rate: float = _flag(0.1, "With --schedule=step: the factor.", at_least=0.0, at_most=1.0)
    decay_epochs: float = _flag(
        1.0, "With --schedule=step: epochs between two steps.", at_least=1e-6
    )
    momentum: float = _flag(0.9, "Momentum, for --optimizer=sgd.", at_least=0.0, at_most=1.0)
    weight_decay: float = _flag(
        0.0,
        "Share of each kernel that is taken off in a step, times the learning rate (decoupled; "
        "biases and batch normalization are left out).",
        at_least=0.0,
    )
    clip_norm: float = _flag(
        0.0, "Gradients are scaled down to this global norm; 0 for no limit.", at_least=0.0
    )
    ema_decay: float = _flag(
        0.0,
        "Decay of the exponential moving average (EMA) of the weights, which is then validated and "
        "saved; 0 for none.",
        formerly="average",
        at_least=0.0,
        at_most=1.0,
    )
    label_smoothing: float = _flag(
        0.0,
        "Share of the target that is spread evenly over all classes; the training loss that is "
        "logged is against such targets, the validation loss against the labels.",
        at_least=0.0,
        at_most=1.0,
    )
    batch_size: int = _flag(64, "Images in a step.", at_least=1)
    epochs: float = _flag(5.0, "Passes over the training split; fractions are fine.", at_least=0.0)
    max_steps: int = _flag(
        0, "End after this many steps, whatever --epochs says; 0 for no limit.", at_least=0
    )
    dtype: str = _flag(
        "float32",
        "What the network computes in while it is trained; weights and exports are float32.",
        words=DTYPES,
    )
    patience: float = _flag(
        0.0,
        "Stop when the validation loss has not fallen for this many epochs, and select the "
        "weights with the best validation accuracy; 0 to train to the end.",
        at_least=0.0,
    )
    select: str = _flag(
        "last",
        "Which weights are the trained model: the last, or those with the best validation "
        "accuracy.",
        formerly="keep",
        words=("last", "best"),
    )
    mean: float = _flag(0.0, "Subtracted from pixels that are scaled to 0..1.")
    std: float = _flag(1.0, "Divides the pixels after --mean is subtracted.", at_least=1e-6)
    crop: int = _flag(0, "Pixels cut from each side, of networks that take any size.", at_least=0)
    augment_shift: float = _flag(0.0, "Random shift, up to this many pixels.", at_least=0.0)
    augment_rotate: float = _flag(0.0, "Random rotation, up to this many degrees.", at_least=0.0)
    augment_scale: float = _flag(
        0.0, "Random scale, up to this share larger or smaller.", at_least=0.0, at_most=0.9
    )
    augment_shear: float = _flag(
        0.0, "Random shear, up to this many degrees.", at_least=0.0, at_most=80.0
    )
    augment_elastic: float = _flag(
        0.0, "Random elastic distortion, up to this many pixels.", at_least=0.0
    )
    augment_erase: float = _flag(
        0.0,
        "Random erased rectangle, its sides up to this share of the image's.",
        at_least=0.0,
        at_most=0.9,
    )
    augment_stroke: float = _flag(
        0.0,
        "Random width of strokes, up to this share of a pixel wider or thinner on each side.",
        at_least=0.0,
        at_most=0.9,
    )

    def total_steps(self, examples: int) -> int:
        """Optimizer steps of a whole run over a split of that many examples."""
        steps = max(1, round(self.epochs * examples / self.batch_size))
        return min(steps, self.max_steps) if self.max_steps else steps


# A network's `best` recipe, with what most of them have; `mean` and `std` are those of MNIST.
best = partial(
    Recipe,
    schedule="cosine",
    warmup=0.05,
    batch_size=128,
    epochs=20,
    mean=0.1307,
    std=0.3081,
    ema_decay=0.999,
    augment_shift=1.5,
    augment_rotate=10.0,
    augment_scale=0.1,
    augment_shear=5.0,
    augment_elastic=0.5,
)

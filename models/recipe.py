"""What decides the weights of a run: frozen dataclasses whose fields are flags of `train`."""

import dataclasses
from functools import partial

from ..base import command_flags

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "one_cycle", "step")
DTYPES = ("float32", "bfloat16", "float64")

_data = partial(command_flags.flag, group="Data")
_how = partial(command_flags.flag, group="How it runs")
_flag = partial(command_flags.flag, group="Recipe (each flag's default is the recipe's own value)")
_pretrained = partial(command_flags.flag, group="Recipe of a pretrained network")
_amount = partial(_flag, at_least=0.0)
_share = partial(_amount, at_most=1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. The help texts of the flags say what each field means."""

    optimizer: str = _flag(
        "adam", "Optimizer; sgd is Nesterov's, with --momentum.", words=OPTIMIZERS
    )
    learning_rate: float = _amount(1e-3, "Learning rate, at its peak.")
    schedule: str = _flag(
        "constant",
        "How the learning rate continues after the peak: constant; cosine, half a period down "
        "to 0; one_cycle, a line from a 25th up to the peak within --warmup and one down to 0; "
        "step, times --decay_rate after each --decay_epochs.",
        words=SCHEDULES,
    )
    warmup: float = _share(0.0, "Share of the steps in which the learning rate climbs to its peak.")
    decay_rate: float = _share(0.1, "With --schedule=step: the factor.")
    decay_epochs: float = _flag(
        1.0, "With --schedule=step: epochs between two steps.", at_least=1e-6
    )
    momentum: float = _share(0.9, "Momentum, for --optimizer=sgd.")
    weight_decay: float = _amount(
        0.0,
        "Share of each kernel that is taken off in a step, times the learning rate (decoupled; "
        "biases and batch normalization are left out).",
    )
    clip_norm: float = _amount(
        0.0, "Gradients are scaled down to this global norm; 0 for no limit."
    )
    ema_decay: float = _share(
        0.0,
        "Decay of the exponential moving average (EMA) of the weights, which is then validated and "
        "saved; 0 for none.",
        formerly="average",
    )
    label_smoothing: float = _share(
        0.0,
        "Share of the target that is spread evenly over all classes; the training loss that is "
        "logged is against such targets, the validation loss against the labels.",
    )
    batch_size: int = _flag(64, "Images in a step.", at_least=1)
    epochs: float = _amount(5.0, "Passes over the training split; fractions are fine.")
    views: int = _pretrained(
        1,
        "How many views of each image the head is trained on: the image itself, and changed ones, "
        "as the --augment_ flags say. The frozen body's features of each are computed once.",
        at_least=1,
    )
    fine_tune_epochs: float = _pretrained(
        0.0,
        "After --epochs of the head, train the whole network for this many epochs, on images that "
        "are changed anew each time.",
        at_least=0.0,
    )
    fine_tune_learning_rate: float = _pretrained(
        1e-4, "The peak of the learning rate in those epochs.", at_least=0.0
    )
    max_steps: int = _flag(
        0, "End after this many steps, whatever --epochs says; 0 for no limit.", at_least=0
    )
    dtype: str = _flag(
        "float32",
        "What the network computes in while it is trained; the trained model is float32. float64 "
        "is slow, and tells rounding from other differences between two runs.",
        words=DTYPES,
    )
    patience: float = _amount(
        0.0,
        "Stop when the validation loss has not fallen for this many epochs, and select the "
        "weights with the best validation accuracy; 0 to train to the end.",
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
    augment_shift: float = _amount(0.0, "Random shift, up to this many pixels.")
    augment_rotate: float = _amount(0.0, "Random rotation, up to this many degrees.")
    augment_scale: float = _share(
        0.0, "Random scale, up to this share larger or smaller.", at_most=0.9
    )
    augment_shear: float = _amount(0.0, "Random shear, up to this many degrees.", at_most=80.0)
    augment_elastic: float = _amount(0.0, "Random elastic distortion, up to this many pixels.")
    augment_erase: float = _share(
        0.0, "Random erased rectangle, its sides up to this share of the image's.", at_most=0.9
    )
    augment_stroke: float = _share(
        0.0,
        "Random width of strokes, up to this share of a pixel wider or thinner on each side.",
        at_most=0.9,
    )
    augment_flip: bool = _flag(False, "Mirror half of the images, left to right.")
    augment_blur: float = _amount(
        0.0,
        "Random blur of half of the images: a pixel is spread by up to this many to each side.",
        at_most=100.0,
    )
    augment_contrast: float = _share(
        0.0,
        "Random loss of contrast in half of the images, up to this share of black to white; what "
        "is left of it lies anywhere between.",
        at_most=0.9,
    )
    augment_noise: float = _share(
        0.0,
        "Random noise in half of the images: a pixel is changed by up to this share of black to "
        "white.",
    )

    @property
    def depends_on_length(self) -> bool:
        """Whether the learning rate of a step depends on how many steps there are in all."""
        return self.schedule in ("cosine", "one_cycle") or self.warmup > 0

    @property
    def all_epochs(self) -> float:
        """Passes over the training split in all."""
        return self.epochs + self.fine_tune_epochs

    def total_steps(self, examples: int) -> int:
        """Optimizer steps of a whole run over a split of that many examples."""
        fine_tuning = round(self.fine_tune_epochs * examples / self.batch_size)
        return self._at_most(self._first_steps(examples) + fine_tuning)

    def head_steps(self, examples: int) -> int:
        """Those of them before a pretrained network is trained as a whole."""
        return self._at_most(self._first_steps(examples))

    def _first_steps(self, examples: int) -> int:
        return max(1, round(self.epochs * examples / self.batch_size))

    def _at_most(self, steps: int) -> int:
        return min(steps, self.max_steps) if self.max_steps else steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Where the training images are held, and which of the split they are; the fields are flags.

    In a configuration on disk `shuffle_buffer` is null unless it counts.
    """

    cache: str = _data(
        "memory",
        "Where the decoded training split is held: in memory, in a file in --cache_dir that is "
        "mapped into memory, or nowhere: then it is read again in each epoch.",
        words=("memory", "file", "off"),
    )
    shuffle_buffer: int | None = _data(
        10_000,
        "With --cache=off: examples that the order is drawn from. Otherwise the whole split is "
        "shuffled.",
        at_least=1,
    )
    balance_classes: bool = _data(False, "Train on equally many images of each class.")
    skip: int = _data(0, "For trials: skip this many training images.", at_least=0)
    take: int | None = _data(None, "For trials: train on only this many images.", at_least=1)
    shard: str = _data(
        "0/1",
        "Train on one of several disjoint parts of the training split, i/n: the i-th, from 0, "
        "of n.",
    )
    deterministic: bool = _how(
        False,
        "Use only operations that give the same bits each time, where TensorFlow has a choice; "
        "slower.",
    )


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

"""How a run reads its images, as far as their order depends on it."""

import dataclasses

from ...base.command_flags import flag

_GROUP = "Data"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Where the training images are held, and which of the split they are; the fields are flags.

    In a configuration on disk `shuffle_buffer` is null unless it counts.
    """

    cache: str = flag(
        "memory",
        "Where the decoded training split is held: in memory, in a file in --cache_dir that is "
        "mapped into memory, or nowhere: then it is read again in each epoch.",
        group=_GROUP,
        words=("memory", "file", "off"),
    )
    shuffle_buffer: int | None = flag(
        10_000,
        "With --cache=off: examples that the order is drawn from. Otherwise the whole split is "
        "shuffled.",
        group=_GROUP,
        at_least=1,
    )
    balance_classes: bool = flag(False, "Train on equally many images of each class.", group=_GROUP)
    skip: int = flag(0, "For trials: skip this many training images.", group=_GROUP, at_least=0)
    take: int | None = flag(
        None, "For trials: train on only this many images.", group=_GROUP, at_least=1
    )
    shard: str = flag(
        "0/1",
        "Train on one of several disjoint parts of the training split, i/n: the i-th, from 0, "
        "of n.",
        group=_GROUP,
    )
    deterministic: bool = flag(
        False,
        "Use only operations that give the same bits each time, where TensorFlow has a choice; "
        "slower.",
        group="How it runs",
    )

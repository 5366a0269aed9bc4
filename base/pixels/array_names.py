"""What an array of a NumPy file is, by its name.

    x_train y_train x_val y_val x_test y_test       Keras's, X_train, xtrain, train_x, x_valid …
    train_images train_labels val_images …          MedMNIST's
    images labels · X y · data target               one set, which is then the training split

Sources: https://keras.io/api/datasets/mnist/, https://medmnist.com.
"""

import re
from typing import Literal, NamedTuple

_SPLIT = r"(?:(train|training|tr)|(val|valid|validation|dev)|(test|testing|te))"
_IMAGES = r"x|images?|imgs?|img|data|features|inputs?|pixels|pictures"
_LABELS = r"y|labels?|targets?|class(?:es)?|lbls?"
_NAME = re.compile(rf"{_SPLIT}?(?:(?P<images>{_IMAGES})|(?P<labels>{_LABELS})){_SPLIT}?")
_LIKE_IMAGES = re.compile(rf"(?:{_SPLIT}[-_ ]?)?(x|images?|imgs?)(?![a-z])")


class Role(NamedTuple):
    """The split, and what of it."""

    split: str
    what: Literal["images", "labels"]


def role(name: str) -> Role | None:
    """What a name says, whatever is between its words; None: nothing that is known."""
    match = _NAME.fullmatch(re.sub(r"[^a-z0-9]", "", name.lower()))
    if match is None:
        return None
    before, after = match.groups()[:3], match.groups()[-3:]
    if any(before) and any(after):
        return None
    groups = before if any(before) else after
    splits = ("train", "validation", "test")
    split = next((split for split, group in zip(splits, groups, strict=True) if group), "train")
    return Role(split, "images" if match["images"] else "labels")


def may_be_images(name: str) -> bool:
    """Whether a name without a role begins as one of images does."""
    return _LIKE_IMAGES.match(name.lower()) is not None

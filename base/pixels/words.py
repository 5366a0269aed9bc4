"""What a cell of a table is by itself, and what its columns are usually called."""

import re

from ..pictures import decode

# It takes time in proportion to a cell, which may be as long as its file: no two repeats in a row
# take the same characters.
_NUMBER = re.compile(r"\s*[+-]?([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(e[+-]?[0-9]+)?\s*", re.IGNORECASE)
# What programs write where there is nothing. (pandas reads all of these as missing.)
_MISSING = {"", "nan", "+nan", "-nan", "null", "n/a", "#n/a", "#na", "<na>"}
_MISSING_AS_WRITTEN = {"NA", "None"}  # `none` may well be a class.

# What the columns of labels, of picture files and of splits are called, most certain first.
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "target", "targets", "class_name", "classname"),
    *("label_name", "category", "category_name", "class_id", "classid", "label_id", "labelid"),
    *("category_id", "digit", "letter", "character", "species", "breed", "emotion", "type", "y"),
)
FILE_NAMES = (
    *("file", "filename", "file_name", "path", "filepath", "file_path", "image", "image_name"),
    *("imagename", "image_path", "image_file", "img", "img_path", "picture", "image_id", "id"),
)
SPLIT_NAMES = ("split", "subset", "set", "partition", "usage")
# What stands in a column of splits. The last ones are of Kaggle's competitions.
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "publictest"), "validation"),
    **dict.fromkeys(("test", "testing", "privatetest"), "test"),
}


def is_number(word: str) -> bool:
    """Whether a cell is a number, with a decimal point or comma."""
    return _NUMBER.fullmatch(word) is not None


def number(word: str) -> float:
    """The value of such a cell."""
    return float(word.strip().replace(",", "."))


def is_missing(word: str) -> bool:
    """Whether a cell without blanks around it stands for nothing."""
    return word.lower() in _MISSING or word in _MISSING_AS_WRITTEN


def is_picture(word: str) -> bool:
    """Whether a cell is the name of a picture file, by its suffix."""
    return word.lower().endswith(decode.SUFFIXES)

"""What is answered of a picture: a class, or that there is none to name."""

import enum

import numpy as np

from ...base.pictures.config import PictureConfig
from . import inks

# With less between its darkest and its lightest pixel, of 255, a picture is blank.
_LEAST_CONTRAST = 8


class Answer(enum.Enum):
    """What is answered; the value is the word in `--json`, and on the server's page."""

    CLASS = "class"
    BLANK = "blank"
    SEVERAL = "several_digits"
    NOT_SURE = "not_sure"


# How people are told, here and on the server's page.
WORDS = {
    Answer.BLANK: "blank: there is nothing to recognize in the picture",
    Answer.SEVERAL: "more than one digit",
    Answer.NOT_SURE: "not sure",
}


def seen_in(pixels: np.ndarray, config: PictureConfig) -> Answer:
    """What the input of a model, uint8 [H, W, C], shows without asking the model."""
    if int(pixels.max()) - int(pixels.min()) < _LEAST_CONTRAST:
        return Answer.BLANK
    return Answer.SEVERAL if config.digits and inks.are_several(pixels) else Answer.CLASS


def answer(seen: Answer, probability: float, threshold: float | None) -> Answer:
    """What to answer.

    Args:
      seen: in the model's input.
      probability: of the best class.
      threshold: below which the model is not sure; None where it is not known.
    """
    if seen is Answer.CLASS and threshold is not None and probability < threshold:
        return Answer.NOT_SURE
    return seen

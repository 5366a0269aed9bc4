"""The answers for all pictures, as text, JSON and CSV."""

import csv
import dataclasses
import io

import numpy as np

from ...base.files import JsonObject
from .answers import WORDS, Answer
from .pictures import described


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A class that a picture may be of; `number` is None where a server does not number them."""

    number: int | None
    label: str
    probability: float


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one picture.

    Attributes:
      file: of the picture, or of the table or array whose `row` it is, from 1.
      answer: whether it is the best class.
      top: the best classes, the most probable first.
      probabilities: of all classes, float [K], by number, or in the order of `labels`.
      labels: names of all classes where they have no numbers.
    """

    file: str
    row: int | None
    answer: Answer
    top: tuple[Candidate, ...]
    probabilities: np.ndarray
    labels: tuple[str, ...] | None

    @property
    def label(self) -> str:
        """The best class's name, or its number as text."""
        return self.top[0].label

    @property
    def number(self) -> int | None:
        """The best class's number; None where a server does not number them."""
        return self.top[0].number

    @property
    def probability(self) -> float:
        """Of the best class."""
        return self.top[0].probability

    def __str__(self) -> str:
        best = ", ".join(f"{one.label} ({one.probability:.2%})" for one in self.top)
        words = {
            Answer.CLASS: best,
            Answer.NOT_SURE: f"{WORDS[Answer.NOT_SURE]}; perhaps {best}",
            Answer.SEVERAL: f"{WORDS[Answer.SEVERAL]}; as one, {best}",
        }
        where = described(self.file, self.row)
        return f"{where}: {words.get(self.answer) or WORDS[self.answer]}"

    def to_json(self) -> JsonObject:
        return {
            "file": self.file,
            **({} if self.row is None else {"row": self.row}),
            "answer": self.answer.value,
            "class": self.top[0].number,
            "label": self.label,
            "probability": self.probability,
            "top": [
                {"class": one.number, "label": one.label, "probability": one.probability}
                for one in self.top
            ],
            "probabilities": self.probabilities.tolist(),
            **({} if self.labels is None else {"labels": list(self.labels)}),
            **({"note": WORDS[self.answer]} if self.answer in WORDS else {}),
        }


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The answers for all pictures.

    Attributes:
      model: the artifact, or the server and the model on it.
      threshold: of the probability below which it is not sure; None where it is not known.
      predictions: of the pictures that could be read, in their order.
      errors: what is wrong with the others.
      as_csv: whether people get a table.
    """

    model: str
    threshold: float | None
    predictions: tuple[Prediction, ...]
    errors: tuple[str, ...]
    as_csv: bool = False

    def to_json(self) -> JsonObject:
        return {
            "model": self.model,
            "threshold": self.threshold,
            "predictions": [prediction.to_json() for prediction in self.predictions],
            "errors": list(self.errors),
        }

    def __str__(self) -> str:
        if self.as_csv and self.predictions:  # Where there is none, an error says why.
            return _table(self.predictions)
        return "\n".join(map(str, self.predictions))


def _table(predictions: tuple[Prediction, ...]) -> str:
    """The best class of each, whatever the answer: a table has no place for doubts."""
    files = {prediction.file for prediction in predictions if prediction.row is not None}
    of_one_table = len(files) == 1 and all(one.row is not None for one in predictions)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("ImageId", "Label") if of_one_table else ("file", "label"))
    for prediction in predictions:
        name = prediction.row if of_one_table else described(prediction.file, prediction.row)
        writer.writerow((name, prediction.label))
    return text.getvalue().removesuffix("\n")

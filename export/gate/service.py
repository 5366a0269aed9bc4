"""What the verifying process does: its answers to the questions."""

import contextlib
import io

import numpy as np

from .. import source
from ..formats.table import artifacts_of
from . import gate, sources
from .messages import Begin, Check, CheckSources, Classified, Compared
from .reference import ask_model


class Service:
    """Knows the run, the dataset's images, and the trained model's answers.

    Raises:
      UserError: the run cannot be used.
      VerificationError: the model is not good enough.
    """

    def __init__(self, asked: Begin):
        self._options = asked.options
        with contextlib.redirect_stderr(io.StringIO()):  # The other process says the same.
            self._source = source.load(asked.options)
        trained, compared = self._source.trained, self._source.compared
        validation = self._source.validation.images
        self._reference = ask_model(trained, compared.images, compared.labels, validation)
        gate.require_accuracy(self._reference, asked.options.min_accuracy)
        if asked.beat:
            gate.require_better(self._reference, asked.beat)
        sure = self._reference.probabilities(validation)
        np.savez(asked.answers, compared=self._reference.split.probabilities, validation=sure)

    def answer(self, question: Check | CheckSources) -> Compared | Classified:
        """Answers.

        Raises:
          VerificationError: a claim does not hold.
        """
        if isinstance(question, Check):
            made = tuple(
                comparison
                for artifact in artifacts_of(question.format, self._options)
                for comparison in gate.check(artifact, question.folder, self._reference)
            )
            return Compared(made)
        folders = {name: question.folder / name for name in question.formats}
        return Classified(sources.check(self._source.compared.split, self._reference, folders))

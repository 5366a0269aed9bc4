"""What the verifying process does: its answers to the questions."""

import contextlib
import io

import numpy as np

from ...base import export_layout
from .. import source
from ..formats.table import artifacts_of
from . import gate
from .claims import card, published, sources
from .claims.sources import CheckedFiles
from .comparison import Comparison
from .messages import (
    Begin,
    Check,
    CheckDescription,
    CheckSources,
    Classified,
    Compared,
    Described,
)
from .reference import ask_model


class Service:
    """Knows the run, the dataset's images, and the trained model's answers.

    Attributes:
      source: the run and the images.
      reference: the answers.

    Raises:
      UserError: the run cannot be used.
      VerificationError: the model is not good enough.
    """

    def __init__(self, asked: Begin):
        self._options = asked.options
        self._comparisons: tuple[Comparison, ...] = ()
        self._checked: CheckedFiles | None = None
        with contextlib.redirect_stderr(io.StringIO()):  # The other process says the same.
            self.source = source.load(asked.options)
        trained, compared = self.source.trained, self.source.compared
        validation = self.source.validation.images
        self.reference = ask_model(trained, compared.images, compared.labels, validation)
        gate.require_accuracy(self.reference, asked.options.min_accuracy)
        if asked.beat:
            gate.require_better(self.reference, asked.beat)
        sure = self.reference.probabilities(validation)
        np.savez(asked.answers, compared=self.reference.split.probabilities, validation=sure)

    def answer(
        self, question: Check | CheckSources | CheckDescription
    ) -> Compared | Classified | Described:
        """Answers.

        Raises:
          VerificationError: a claim does not hold.
        """
        if isinstance(question, Check):
            return self._check(question)
        if isinstance(question, CheckDescription):
            return self._check_description(question)
        folders = {name: question.folder / name for name in question.formats}
        self._checked = sources.check(self.source.compared.split, self.reference, folders)
        return Classified(self._checked)

    def _check(self, question: Check) -> Compared:
        made = tuple(
            comparison
            for artifact in artifacts_of(question.format, self._options)
            for comparison in gate.check(artifact, self._options, question.folder, self.reference)
        )
        self._comparisons += made
        return Compared(made)

    def _check_description(self, question: CheckDescription) -> Described:
        known = published.Known(
            self._options,
            self.source,
            self.reference,
            question.version,
            self._comparisons,
            self._checked,
        )
        for name in question.formats:
            folder = question.folder / name
            published.require_manifest(folder, artifacts_of(name, self._options), known)
            if name == export_layout.TFLITE:
                card.require(folder)
        return Described()

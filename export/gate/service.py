"""What the verifying process does: its answers to the questions."""

import contextlib
import io

import numpy as np

from ...base import export_layout
from .. import source
from ..formats.table import artifacts_of
from . import gate
from .claims import published, sources
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

    Raises:
      UserError: the run cannot be used.
      VerificationError: the model is not good enough.
    """

    def __init__(self, asked: Begin):
        self._options = asked.options
        self._comparisons: tuple[Comparison, ...] = ()
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
        return Classified(sources.check(self._source.compared.split, self._reference, folders))

    def _check(self, question: Check) -> Compared:
        made = tuple(
            comparison
            for artifact in artifacts_of(question.format, self._options)
            for comparison in gate.check(artifact, self._options, question.folder, self._reference)
        )
        self._comparisons += made
        return Compared(made)

    def _check_description(self, question: CheckDescription) -> Described:
        source, reference, comparisons = self._source, self._reference, self._comparisons
        for name in question.formats:
            folder, artifacts = question.folder / name, artifacts_of(name, self._options)
            published.require(
                export_layout.manifest_of(folder),
                published.of_manifest(
                    folder, artifacts, self._options, source, reference, comparisons
                ),
            )
            card = folder / export_layout.CARD
            if name == export_layout.TFLITE:
                published.require(card, published.of_card(folder, source, reference, comparisons))
        return Described()

"""What the verifying process does: its answers to the questions."""

import contextlib
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...base import configs, export_layout, files, manifests
from .. import source
from ..formats.artifact import Artifact
from ..formats.table import artifacts_of
from ..runtimes import catalog
from ..runtimes.ran import Ran
from . import gate, ranges
from .claims import card, published, sources
from .claims.runtimes import Runs
from .claims.sources import CheckedFiles
from .comparison import Comparison
from .explain import explain
from .messages import (
    Begin,
    Check,
    CheckDescription,
    CheckRuntimes,
    CheckSources,
    Classified,
    Compared,
    Described,
    RanIn,
)
from .reference import ask_model

Answer: TypeAlias = Compared | RanIn | Classified | Described


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
        self._options, self._begin = asked.options, asked
        self._comparisons: tuple[Comparison, ...] = ()
        self._written: dict[Path, tuple[Artifact, ...]] = {}
        self._runs: Runs | None = None
        self._ran: tuple[Ran, ...] = ()
        self._checked: CheckedFiles | None = None
        with contextlib.redirect_stderr(io.StringIO()):  # The other process says the same.
            self.source = source.load(asked.options)
            self._runtimes = catalog.choose(
                asked.options.runtimes, asked.options.runtime_python, asked.options.formats
            )
        trained, compared = self.source.trained, self.source.compared
        validation = self.source.validation.images
        reference = ask_model(trained, compared.images, compared.labels, validation)
        if asked.options.has_int8 and self.source.calibration is not None:
            reference = ranges.with_ranges(reference, self.source.calibration)
        self.reference = reference
        gate.require_accuracy(self.reference, asked.options.min_accuracy)
        if asked.beat:
            gate.require_better(self.reference, asked.beat)
        sure = self.reference.probabilities(validation)
        with files.naming(asked.answers):
            np.savez(asked.answers, compared=self.reference.split.probabilities, validation=sure)

    def start(
        self, question: Check | CheckRuntimes | CheckSources | CheckDescription
    ) -> Callable[[], Answer]:
        """Begins to answer.

        Returns:
          What waits for the answer; to be called in the order of the questions. It raises a
          `VerificationError` where a claim does not hold.

        Raises:
          VerificationError: an artifact does not open.
        """
        if isinstance(question, Check):
            return self._start_check(question)
        if isinstance(question, CheckRuntimes):
            return self._wait_for_runtimes
        if isinstance(question, CheckDescription):
            return functools.partial(self._check_description, question)
        return functools.partial(self._check_sources, question)

    def _start_check(self, question: Check) -> Callable[[], Compared]:
        artifacts = artifacts_of(question.format, self._options)
        folder, reference = question.folder, self.reference
        self._written[folder] = artifacts
        if len(self._written) == len(set(self._options.formats)) and self._runtimes:
            # The other process has nothing left to write: its processor is free.
            scratch = self._begin.answers.with_name("runtimes")
            self._runs = Runs(self._runtimes, self._written, reference, scratch)
        checked = manifests.digests(folder)
        checks = [gate.start(each, self._options, folder, reference) for each in artifacts]

        def finish() -> Compared:
            made = tuple(comparison for check in checks for comparison in check())
            self._comparisons += made
            manifests.require_unchanged({question.format: folder}, {question.format: checked})
            stated = configs.plain(manifests.stating(checked))
            if not self._options.explain or question.format == export_layout.SAVED_MODEL:
                return Compared(made, stated)
            explained = (
                explain(artifact, folder / artifact.path, reference.trained, reference.split)
                for artifact in artifacts
            )
            return Compared(made, stated, tuple(explained))

        return finish

    def _wait_for_runtimes(self) -> RanIn:
        self._ran = self._runs.results() if self._runs else ()
        return RanIn(self._ran)

    def _check_sources(self, question: CheckSources) -> Classified:
        folders = {name: question.folder / name for name in question.formats}
        self._checked = sources.check(self.source.compared.split, self.reference, folders)
        return Classified(self._checked)

    def _check_description(self, question: CheckDescription) -> Described:
        known = published.Known(
            self._options,
            self.source,
            self.reference,
            question.version,
            self._comparisons,
            self._checked,
            self._ran,
        )
        for name, target in zip(question.formats, question.targets, strict=True):
            folder = question.folder / name
            published.require_target(target, name, known)
            published.require_manifest(folder, artifacts_of(name, self._options), known)
            if name == export_layout.TFLITE:
                card.require(folder)
        return Described()

"""What an artifact answers, beside what the trained model does."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from ....base import export_layout
from ...options import INT8
from ..calls import CALLS, ask
from ..compare import compare
from ..comparison import Comparison, require_agreement
from ..explain import explain
from ..explanation import Explanation
from ..reference import Question, Reference
from ..staged import Staged


def require(staged: Staged, reference: Reference) -> tuple[Comparison, ...]:
    """Asks each signature for the images of the split, for blends of them and for awkward ones.

    Returns:
      The comparisons on the split, one for each signature.

    Raises:
      VerificationError: it disagrees; names the images and the numbers.
    """
    made = []
    for signature in staged.artifact.signatures:
        split = reference.split.spread(CALLS[signature.name].most)
        (comparison,) = _compared(staged, reference, signature.name, (split,))
        made.append(comparison)
        awkward = reference.awkward
        if staged.artifact.limits == INT8.limits and reference.within_ranges:
            awkward = reference.within_ranges
        # Together they are hundreds, however small the split is.
        _compared(staged, reference, signature.name, (reference.blends, awkward))
    return tuple(made)


def _compared(
    staged: Staged, reference: Reference, signature: str, questions: Sequence[Question]
) -> list[Comparison]:
    """Asks for the images of some questions in the same calls."""
    artifact, limits = staged.artifact, staged.artifact.limits
    admitted = {
        reference.split.name: limits,
        # Blends have no true class.
        reference.blends.name: limits and dataclasses.replace(limits, accuracy=1.0),
        reference.awkward.name: limits and limits.of_one_image,
    }
    images = np.concatenate([question.images for question in questions])
    outputs, start, comparisons = ask(staged, signature, images, reference.trained), 0, []
    for question in questions:
        end = start + len(question.images)
        part = {name: value[start:end] for name, value in outputs.items()}
        seen = dataclasses.replace(question, probabilities=reference.seen(signature, question))
        comparison = compare(artifact.title, signature, part, seen, admitted[question.name])
        explanation = functools.partial(_explain, staged, reference, seen, comparison)
        require_agreement(comparison, explain=explanation)
        comparisons.append(comparison)
        start = end
    return comparisons


def _explain(
    staged: Staged, reference: Reference, question: Question, comparison: Comparison
) -> Explanation | None:
    """Where a file is off; SavedModels have `activations` for that."""
    artifact = staged.artifact
    if artifact.name == export_layout.SAVED_MODEL:
        return None
    return explain(artifact, staged.path, reference.trained, question, comparison.first_images)

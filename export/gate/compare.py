"""How the outputs of an artifact differ from the trained model's, in numbers."""

import math

import numpy as np

from ...base.errors import VerificationError
from ...serving.artifacts import Outputs
from ..options import Limits
from .comparison import TOLERANCE, Comparison
from .reference import Question

# Probabilities below this count as this: int8 holds them in steps of 1/256.
_LEAST = 1 / 64
# Margins over classes that are more probable than this count; the slope may be off by this many of
# its standard errors.
_UNSURE, _ERRORS = 1 / 32, 4


def compare(
    artifact: str,
    signature: str,
    outputs: Outputs,
    question: Question,
    limits: Limits | None = None,
) -> Comparison:
    """Compares an artifact's outputs with the trained model's.

    Args:
      artifact, signature: what gave the outputs, in words.
      outputs: `probabilities` float32 [N, K] and `classes` int64 [N].
      question: what was asked, and the model's answers.
      limits: how far the artifact may be off; None where the probabilities must be the model's.

    Raises:
      VerificationError: an output is missing, or of another dtype or shape.
    """
    reference, labels = question.probabilities, question.labels
    count = len(reference)
    expected = {"probabilities": ("float32", reference.shape), "classes": ("int64", (count,))}
    received = {name: (value.dtype.name, value.shape) for name, value in outputs.items()}
    if received != expected:
        raise VerificationError(
            f"{artifact}, {signature}: expected the outputs {_described(expected)}, "
            f"got {_described(received)}; nothing was published"
        )
    probabilities, classes = outputs["probabilities"], outputs["classes"]
    difference = np.abs(probabilities.astype(np.float64) - reference).max(axis=1)
    difference[~np.isfinite(difference)] = np.inf
    far = difference > TOLERANCE
    reference_classes = reference.argmax(axis=1)
    indices = np.arange(count) if question.indices is None else question.indices
    known = np.clip(classes, 0, reference.shape[1] - 1)
    own = np.take_along_axis(probabilities, known[:, np.newaxis], axis=1)[:, 0]
    wrong = (known != classes) | (own < probabilities.max(axis=1))
    rounded = {}
    if limits is None:
        best_two = np.partition(reference, -2, axis=1)[:, -2:]
        clear = best_two[:, 1] - best_two[:, 0] > TOLERANCE
        wrong |= clear & (classes != reference_classes)
    else:
        rounded, off = _rounding(probabilities, reference)
        far = (off > limits.largest) | ~np.isfinite(difference)
    is_right, was_right = classes == labels, reference_classes == labels
    return Comparison(
        artifact=artifact,
        signature=signature,
        images=question.name,
        examples=count,
        accuracy=float(is_right.mean()),
        agreement=float((classes == reference_classes).mean()),
        reference_accuracy=float(was_right.mean()),
        max_difference=float(difference.max()),
        far=tuple(indices[far].tolist()),
        wrong_class=tuple(indices[wrong].tolist()),
        turned=int((is_right != was_right).sum()),
        **rounded,
        limits=limits,
    )


def _rounding(
    probabilities: np.ndarray, reference: np.ndarray
) -> tuple[dict[str, float], np.ndarray]:
    """What rounding does to logarithms of probabilities: figures, and each image's largest.

    A temperature scales the margins, logarithms of the best class's probability over another's.
    """
    expected, received = (
        np.log(np.clip(np.nan_to_num(each.astype(np.float64)), _LEAST, 1))
        for each in (reference, probabilities)
    )
    rows, best = np.arange(len(reference)), reference.argmax(axis=1)
    other = reference > _UNSURE
    other[rows, best] = False
    margins, theirs = (
        (each[rows, best][:, np.newaxis] - each)[other] for each in (expected, received)
    )
    scale = float((margins**2).sum())
    typical = float(np.sqrt(((theirs - margins) ** 2).mean())) if len(margins) else 0.0
    off = np.abs(received - expected).max(axis=1)
    figures = {
        "typical": typical,
        "largest": float(off.max()),
        "slope": float((margins * theirs).sum()) / scale if scale else 1.0,
        "slope_error": _ERRORS * typical / math.sqrt(scale) if scale else 0.0,
    }
    return figures, off


def _described(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(
        f"{name} {dtype} {list(shape)}" for name, (dtype, shape) in sorted(tensors.items())
    )

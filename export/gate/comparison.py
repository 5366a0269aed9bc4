"""How far an artifact may be from the trained model, and what is said of one that is further."""

import dataclasses
import math
from collections.abc import Callable, Iterator

from ...base import configs
from ...base.errors import VerificationError
from ...base.files import JsonObject
from ..options import Limits
from .explanation import Explanation

# Between probabilities of the artifact and of the trained model. Two runtimes
# add up float32 in different orders; a wrong graph is off by far more.
TOLERANCE = 1e-4
# Rounding turns some images that the model is not sure of, to right as often as to wrong. The
# difference of the two is off by more than this many of its standard deviations, the root of their
# sum, once in a hundred times.
_CHANCE = 2.6
# Image indices that an error names.
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How an artifact's outputs differ from the trained model's.

    Attributes:
      artifact: what was compared, in words.
      images: what it was asked for, in words.
      examples: number of images.
      accuracy, reference_accuracy: of the artifact and of the trained model, 0 to 1.
      agreement: share of the images that get the same class.
      max_difference: the largest between two probabilities; infinite if one is not finite.
      far: indices of images with a probability off by more than the tolerance; of a rounded file,
        by more than its limit.
      wrong_class: indices of images whose class is not the most probable one: by the artifact's
        own probabilities, or by the model's if its two best are further apart than the tolerance.
      turned: number of images that only one of the two gets right.
      typical, largest, slope: see `Limits`; of the slope, also how far chance may carry it. None
        where the probabilities must be the model's.
      limits: None likewise.
    """

    artifact: str
    signature: str
    images: str
    examples: int
    accuracy: float
    reference_accuracy: float
    agreement: float
    max_difference: float
    far: tuple[int, ...]
    wrong_class: tuple[int, ...]
    turned: int
    typical: float | None = None
    largest: float | None = None
    slope: float | None = None
    slope_error: float | None = None
    limits: Limits | None = None

    @property
    def first_images(self) -> list[int]:
        """Indices of the first images that show what is wrong."""
        return sorted({*self.far, *self.wrong_class})[:_NAMED]

    @property
    def faults(self) -> tuple[str, ...]:
        """What is beyond its limits, in words; nothing if the artifact agrees."""
        return tuple(self._faults())

    def _faults(self) -> Iterator[str]:
        count = f"{self.examples:,} {self.images}"
        by = f"by more than {TOLERANCE:g}" if self.limits is None else "by more than rounding does"
        if self.far:
            yield (
                f"on {len(self.far):,} of {count} a probability is off {by} (at most "
                f"{self.max_difference:.3g})"
            )
        if self.wrong_class:
            yield f"{len(self.wrong_class):,} of {count} get another class"
        if self.limits is None:
            return
        assert self.typical is not None
        assert self.slope is not None
        assert self.slope_error is not None
        if self.typical > self.limits.typical:
            yield (
                f"its margins between classes are off by {self.typical:.3g}, root mean square, "
                f"at most {self.limits.typical:g} is admitted"
            )
        if abs(self.slope - 1) > self.limits.slope + self.slope_error:
            yield (
                f"its margins are {self.slope:.3g} times the model's, as at another temperature; "
                f"{self.limits.slope * 100:g} % more or less is admitted"
            )
        allowed = max(self.limits.accuracy * self.examples, _CHANCE * math.sqrt(self.turned))
        if abs(self.accuracy - self.reference_accuracy) * self.examples > allowed + 1e-6:
            yield (
                f"its accuracy may be off by {self.limits.accuracy * 100:g} points and by chance; "
                f"{self.turned:,} images are right for only one of the two"
            )

    @property
    def agrees(self) -> bool:
        return not self.faults

    def to_json(self) -> JsonObject:
        """The figures as JSON can hold them; of the indices, the first few."""
        return {
            **dataclasses.asdict(self),
            "agrees": self.agrees,
            "max_difference": min(self.max_difference, 1e30),  # JSON has no infinity.
            "tolerance": TOLERANCE if self.limits is None else None,
            "far": len(self.far),
            "wrong_class": len(self.wrong_class),
            "first_images": self.first_images,
        }


def require_agreement(
    comparison: Comparison,
    advice: str = "",
    explain: Callable[[], Explanation | None] = lambda: None,
) -> None:
    """Refuses an artifact that disagrees with its model.

    Args:
      comparison: of the two.
      advice: what to do, the end of the message; that for rounded files where it is empty.
      explain: compares its layers; only called where it disagrees.

    Raises:
      VerificationError: names the signature, the images and the numbers, and the first layer that
        differs.
    """
    if comparison.agrees:
        return
    images, where, explanation = "", "", explain()
    details: JsonObject = {"verification": comparison.to_json()}
    if explanation:
        where = f"; {explanation.sentence}"
        details["layers"] = configs.to_config(explanation)
    if comparison.first_images:
        images = f" (first {comparison.images}: {', '.join(map(str, comparison.first_images))})"
    if comparison.limits is not None and not advice:
        advice = "; train the network for longer, or leave the file out of --tflite_variants"
    raise VerificationError(
        f"{comparison.artifact}, {comparison.signature}: disagrees with the trained model: "
        f"{'; '.join(comparison.faults)}{images}; accuracy {comparison.accuracy:.2%}, the model's "
        f"is {comparison.reference_accuracy:.2%}{where}; nothing was published{advice}",
        details=details,
    )

"""What runtimes made of artifacts, and the table of it."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a runtime made of an artifact.

    Attributes:
      runtime: its title and version.
      artifact: its title.
      refusal: why it does not run it, in the runtime's words; None where it runs it and agrees.
      images: that it was asked for.
      agreement, max_difference: see `gate.comparison.Comparison`; None where it refuses.
    """

    runtime: str
    artifact: str
    refusal: str | None
    images: int
    agreement: float | None = None
    max_difference: float | None = None


def matrix(runs: Sequence[Ran]) -> tuple[list[str], list[list[str]]]:
    """A table of runtimes by artifacts: `agrees`, `refuses`, or `-` for what it is not for.

    Returns:
      The head, and the rows.
    """
    artifacts = list(dict.fromkeys(ran.artifact for ran in runs))
    cells = {
        (ran.runtime, ran.artifact): "agrees" if ran.refusal is None else "refuses" for ran in runs
    }
    runtimes = list(dict.fromkeys(ran.runtime for ran in runs))
    rows = [
        [runtime, *(cells.get((runtime, artifact), "-") for artifact in artifacts)]
        for runtime in runtimes
    ]
    return ["runtime", *artifacts], rows

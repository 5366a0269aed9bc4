"""What goes beside the TFLite files for people: the model card, in Markdown.

M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections.abc import Sequence
from pathlib import Path

from ...base import export_layout, files
from ...models.evaluation.metrics import wilson_interval
from ..formats.artifact import Artifact
from ..signatures import Signature
from ..template import render
from .manifest import Version
from .versions import digests


def write(version: Version, artifacts: Sequence[Artifact], folder: Path) -> None:
    """Writes the card.

    Args:
      version: what it is of.
      artifacts: all of the version.
      folder: of the TFLite files.
    """
    titles: dict[Signature, list[str]] = {}
    for artifact in artifacts:
        for signature in artifact.signatures:
            titles.setdefault(signature, []).append(artifact.title)
    evaluation, labels = version.evaluation, version.config.label_names
    text = render(
        "model_card.md",
        version=version,
        config=version.config,
        evaluation=evaluation,
        interval=wilson_interval(evaluation.correct, evaluation.examples),
        by_class=list(zip(labels, evaluation.by_class(), strict=True)),
        signatures=titles,
        files=digests(folder),
    )
    files.write_text(folder / export_layout.CARD, text)

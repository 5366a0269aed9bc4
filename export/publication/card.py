"""What goes beside the TFLite files for people: the model card, in Markdown.

M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from collections.abc import Sequence
from pathlib import Path

from ...base import export_layout, files, manifests
from ...models import registry
from ...models.evaluation.metrics import wilson_interval
from ...models.evaluation.result import CORRUPTIONS_HEAD, corruption_rows
from ...models.pretrained import imagenet
from ..formats.artifact import Artifact
from ..runtimes.ran import matrix
from ..signatures import Signature
from ..template import render
from .manifest import Version


def write(version: Version, artifacts: Sequence[Artifact], folder: Path) -> None:
    """Writes the card of a version, with all its artifacts, into the folder of TFLite files."""
    titles: dict[Signature, list[str]] = {}
    for artifact in artifacts:
        for signature in artifact.signatures:
            titles.setdefault(signature, []).append(artifact.title)
    evaluation, config = version.evaluation, version.source.config
    text = render(
        "model_card.md",
        version=version,
        source=version.source,
        config=config,
        evaluation=evaluation,
        interval=wilson_interval(evaluation.correct, evaluation.examples),
        by_class=list(zip(config.label_names, evaluation.by_class(), strict=True)),
        corruptions=(CORRUPTIONS_HEAD, corruption_rows),
        signatures=titles,
        runtimes=matrix(version.runs),
        files=manifests.digests(folder),
        pretrained=imagenet.ORIGIN if registry.is_pretrained(config.model) else "",
    )
    files.write_text(folder / export_layout.CARD, text)

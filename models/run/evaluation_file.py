"""evaluation.json: the figures of a run's model, by split."""

import dataclasses
from pathlib import Path

from ...base import configs, files
from ...base.errors import DataError
from ...base.files import JsonObject
from ...base.storage import records
from .config import RunConfig
from .records import Figures, Robustness

_MEND = "restore it, or delete it and evaluate again"


class EvaluationFile:
    """The file of a run; all that it says may be measured again.

    Args:
      path: of the file, which need not be there.
      config: of the run.
    """

    def __init__(self, path: Path, config: RunConfig):
        self.path, self._config = path, config

    def add(self, split: str, figures: Figures) -> None:
        """Writes the figures of a split, beside those of others.

        What was measured before on corrupted images stays, where the clean ones are the same.

        Raises:
          DataError: the file is damaged.
        """
        content = self._content()
        before = self._figures(content, split)
        if before and figures.corruptions is None and before.misclassified == figures.misclassified:
            figures = dataclasses.replace(figures, corruptions=before.corruptions)
        records.write(self.path, {**content, split: figures.to_config()}, self._config.id)

    def of(self, split: str) -> Figures | None:
        """The figures of a split; None where some are missing.

        Raises:
          DataError: the file is damaged, or another run's.
        """
        return self._figures(self._content(), split)

    def robustness(self) -> dict[str, Robustness]:
        """What was measured on corrupted images, by split; raises as `of`."""
        content = self._content()
        known = {split: self._figures(content, split) for split in content}
        return {
            split: figures.corruptions
            for split, figures in known.items()
            if figures and figures.corruptions
        }

    def _content(self) -> JsonObject:
        if not files.is_there(self.path):
            return {}
        return records.read_object(self.path, _MEND, self._config.id)

    def _figures(self, content: JsonObject, split: str) -> Figures | None:
        if split not in content:
            return None
        try:
            figures = configs.from_config(Figures, content[split])
        except configs.LacksError:  # Earlier versions had fewer figures.
            return None
        except DataError as error:
            raise DataError(f"{self.path}: {split}: {error}; {_MEND}") from None
        known, classes = len(figures.by_class), len(self._config.label_names)
        if known != classes:
            raise DataError(
                f"{self.path}: {split}: it is of {known} classes, the run has {classes}; {_MEND}"
            )
        return figures

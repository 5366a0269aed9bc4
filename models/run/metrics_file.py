"""metrics.jsonl: a JSON object for each logged step, appended to while the run goes on.

A checkpoint remembers how much of the file there was, and its digest: so what is drawn, and what a
resumed run appends to, are the rows that were written.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

from ...base import configs, files, progress
from ...base.errors import DataError
from .records import MetricsRow, Written

# Of runs of some million steps, each of which is logged.
_LARGEST = 1 << 30
# The key in a checkpoint's record of what the file held.
METRICS = "metrics"
_MEND = "restore it, or delete it: its rows are lost then, the model is not"


class MetricsFile:
    """The file of a run."""

    def __init__(self, path: Path):
        self.path = path

    def append(self, row: MetricsRow) -> None:
        """Writes a row behind the others."""
        with files.naming(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row.to_config()) + "\n")

    def written(self) -> Written | None:
        """What is in the file now, when that is on disk; None where there is no file."""
        if not self.path.exists():
            return None
        files.sync(self.path)
        return Written.of(files.read_bytes(self.path, _LARGEST))

    def rewind(self, step: int, written: Written | None) -> None:
        """Drops the rows after a step, which a resumed run will write again.

        Args:
          step: of the checkpoint that the run goes on from.
          written: what there was then; None where that is not known.

        Raises:
          DataError: the file is damaged.
        """
        if not step:
            files.remove(self.path)
            return
        content = self._content(written)
        if content is None:
            return
        if written is None:
            rows = list(_rows(self.path, content))
            kept = b"".join(line + b"\n" for line, row in rows if row.step <= step)
        else:
            kept = content[: written.size]
        if kept != content:
            with files.replacing(self.path) as aside:
                aside.write_bytes(kept)

    def rows(
        self, written: Written | None = None, is_all: bool = False
    ) -> tuple[dict[str, float], ...]:
        """The figures of each row by their names; those that are not finite are left out.

        Args:
          written: what is known of the file, or of its beginning.
          is_all: whether nothing was written after that.

        Raises:
          DataError: the file is damaged.
        """
        content = self._content(written)
        if content and written and is_all and len(content) > written.size:
            raise self._damaged()
        return tuple(
            {name: value for name, value in row.to_config().items() if math.isfinite(value)}
            for _, row in _rows(self.path, content or b"")
        )

    def _content(self, written: Written | None) -> bytes | None:
        """The content, if there is a file; says so where there was one."""
        if not files.is_there(self.path):
            if written is not None and written.size:
                progress.say(f"{self.path} is missing: what was logged before is not shown")
            return None
        content = files.read_bytes(self.path, _LARGEST)
        if written is not None and Written.of(content[: written.size]) != written:
            raise self._damaged()
        return content

    def _damaged(self) -> DataError:
        return DataError(f"{self.path} is not as training wrote it; {_MEND}")


def _rows(path: Path, content: bytes) -> Iterator[tuple[bytes, MetricsRow]]:
    """The rows, each with its line; the last may have been cut by a kill."""
    *lines, _ = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            yield line, configs.from_config(MetricsRow, json.loads(line), in_part=True)
        except (ValueError, RecursionError, DataError):
            raise DataError(f"{path}, line {number}: not a row of figures; {_MEND}") from None

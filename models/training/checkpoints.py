"""Checkpoints of a run: written whole, checked when they are read.

A checkpoint is TensorFlow's (`ckpt-<step>.index`, `ckpt-<step>.data-…`) and a
JSON file with the SHA-256 digests of these, written last by one rename: without
it, or where a digest differs, the checkpoint does not count.
"""

import shutil
from pathlib import Path
from typing import Any

from ...base import files, progress
from ...base.errors import UserError, first_line
from ...base.tf import tf


class Checkpoints:
    """Checkpoints of some state in a folder, newest last.

    Args:
      folder: where they lie.
      name: the first part of their names.
      keep: how many stay.
      state: keywords for `tf.train.Checkpoint`.
    """

    def __init__(self, folder: Path, name: str, keep: int, **state: Any):
        self._folder, self._name, self._keep = folder, name, keep
        self._checkpoint = tf.train.Checkpoint(**state)

    def save(self, step: int, record: dict[str, Any] | None = None) -> None:
        """Writes a checkpoint of a step, then removes the oldest.

        Args:
          step: part of its name.
          record: what to remember beside it, as JSON can hold it.
        """
        files.ensure_folder(self._folder)
        prefix = self._folder / f"{self._name}-{step}"
        record_path = prefix.with_suffix(".json")
        record_path.unlink(missing_ok=True)  # What it was of is overwritten now.
        self._checkpoint.write(str(prefix))
        digests = {path.name: files.sha256(path) for path in self._parts(step)}
        files.write_json(record_path, {**(record or {}), "step": step, "sha256": digests})
        for old in self._steps()[: -self._keep]:
            self._remove(old)

    def restore(self) -> dict[str, Any] | None:
        """Restores the newest whole checkpoint; names those that are damaged.

        Returns:
          Its record, with its `step`; None if there is no checkpoint.

        Raises:
          UserError: there are some, and all are damaged or do not fit.
        """
        self._remove_unfinished()
        causes = []
        steps = self._steps()[::-1]
        for number, step in enumerate(steps):
            prefix = self._folder / f"{self._name}-{step}"
            record = self._whole(step)
            if record is not None:
                try:
                    status = self._checkpoint.read(str(prefix))
                    status.assert_existing_objects_matched()
                    if causes:
                        progress.say(f"using the checkpoint before it, of step {step:,}")
                    # Else they would count as the newest, and this one go as the oldest.
                    for damaged in steps[:number]:
                        self._remove(damaged)
                    return record
                except (AssertionError, ValueError, tf.errors.OpError) as error:
                    causes.append(f"the checkpoint {prefix} does not fit: {first_line(error)}")
            else:
                causes.append(f"the checkpoint {prefix} is damaged")
            progress.say(causes[-1])
        if causes:
            raise UserError(f"{causes[0]}, and no other is there; start anew with --overwrite")
        return None

    def record(self) -> dict[str, Any] | None:
        """The record of the newest whole checkpoint, None if there is none; nothing is restored.

        Damaged ones are named and removed.
        """
        self._remove_unfinished()
        for step in reversed(self._steps()):
            record = self._whole(step)
            if record is not None:
                return record
            progress.say(f"the checkpoint {self._folder / f'{self._name}-{step}'} is damaged")
            self._remove(step)
        return None

    def _whole(self, step: int) -> dict[str, Any] | None:
        """The record of a checkpoint, if all its files are as they were written."""
        try:
            record = files.read_json(self._folder / f"{self._name}-{step}.json")
            for name, digest in record["sha256"].items():
                if files.sha256(self._folder / name) != digest:
                    return None
            return record
        except (UserError, OSError, KeyError, TypeError, AttributeError):
            return None

    def _steps(self) -> list[int]:
        found = (path.stem.rpartition("-") for path in self._folder.glob(f"{self._name}-*.json"))
        return sorted(
            int(step) for name, _, step in found if name == self._name and step.isdecimal()
        )

    def _parts(self, step: int) -> list[Path]:
        prefix = f"{self._name}-{step}"
        return [*self._folder.glob(f"{prefix}.index"), *self._folder.glob(f"{prefix}.data-*")]

    def _remove_unfinished(self) -> None:
        """What a kill left: files without a record."""
        steps = self._steps()
        for path in self._folder.glob(f"{self._name}-*"):
            step = path.name[len(self._name) + 1 :].partition(".")[0]
            if step.isdecimal() and int(step) not in steps:
                path.unlink() if path.is_file() else shutil.rmtree(path)

    def _remove(self, step: int) -> None:
        # The record first: without it the rest does not count.
        (self._folder / f"{self._name}-{step}.json").unlink(missing_ok=True)
        for path in self._parts(step):
            path.unlink(missing_ok=True)

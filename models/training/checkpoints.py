"""Checkpoints of a run: written whole, checked when they are read.

A checkpoint is TensorFlow's (`ckpt-<step>.index`, `ckpt-<step>.data-…`) and a
JSON file with the SHA-256 digests of these, written last by one rename: without
it, or where a digest differs, the checkpoint does not count.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...base import files, progress
from ...base.errors import UserError, first_line
from ...base.files import JsonObject
from ...base.tf import tf

# What TensorFlow tracks: its annotations know it only as a private class.
Trackable = tf.Variable | Sequence[tf.Variable]


class Checkpoints:
    """Checkpoints of some state in a folder, newest last.

    Args:
      name: the first part of their names.
      keep: how many stay.
      state: keywords for `tf.train.Checkpoint`.
    """

    def __init__(self, folder: Path, name: str, keep: int, **state: Trackable):
        self._folder, self._name, self._keep = folder, name, keep
        self._checkpoint = tf.train.Checkpoint(**state)

    def save(self, step: int, record: JsonObject | None = None) -> None:
        """Writes a checkpoint with what to remember beside it, then removes the oldest."""
        files.ensure_folder(self._folder)
        record_path = self._prefix(step).with_suffix(".json")
        record_path.unlink(missing_ok=True)  # Its checkpoint is about to be overwritten.
        self._checkpoint.write(str(self._prefix(step)))
        digests = {path.name: files.sha256(path) for path in self._files(step)}
        files.write_json(record_path, {**(record or {}), "step": step, "sha256": digests})
        for old in self._steps()[: -self._keep]:
            self._remove(old)

    def restore(self) -> JsonObject | None:
        """Restores the newest whole checkpoint; names those that are damaged.

        Returns:
          Its record, with its `step`; None if there is no checkpoint.

        Raises:
          UserError: there are some, and all are damaged or do not fit.
        """
        self._remove_unfinished()
        causes: dict[int, str] = {}
        for step in reversed(self._steps()):
            record = self._whole(step)
            damage = "is damaged" if record is None else self._read(step)
            if damage is None:
                if causes:
                    progress.say(f"using the checkpoint before it, of step {step:,}")
                # Else they would count as the newest, and this one go as the oldest.
                for damaged in causes:
                    self._remove(damaged)
                return record
            causes[step] = f"the checkpoint {self._prefix(step)} {damage}"
            progress.say(causes[step])
        for cause in causes.values():
            raise UserError(f"{cause}, and there is no other; train again with --overwrite")
        return None

    def _read(self, step: int) -> str | None:
        """Restores a checkpoint; returns why that is impossible, if it is."""
        try:
            with files.literal(self._folder) as folder:
                prefix = str(folder / self._prefix(step).name)
                self._checkpoint.read(prefix).assert_existing_objects_matched()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            return f"does not fit: {first_line(error)}"
        return None

    def record(self) -> JsonObject | None:
        """The record of the newest whole checkpoint, None if there is none; nothing is restored.

        Damaged ones are named and removed.
        """
        self._remove_unfinished()
        for step in reversed(self._steps()):
            record = self._whole(step)
            if record is not None:
                return record
            progress.say(f"the checkpoint {self._prefix(step)} is damaged")
            self._remove(step)
        return None

    def _whole(self, step: int) -> JsonObject | None:
        """The record of a checkpoint, if all its files are as they were written."""
        try:
            record = files.read_json(self._prefix(step).with_suffix(".json"))
            digests = record["sha256"].items()
            is_whole = all(files.sha256(self._folder / name) == digest for name, digest in digests)
            return record if is_whole else None
        except (UserError, OSError, KeyError, TypeError, AttributeError):
            return None

    def _steps(self) -> list[int]:
        names = (path.stem.rpartition("-") for path in self._folder.glob(f"{self._name}-*.json"))
        return sorted(
            int(step) for name, _, step in names if name == self._name and step.isdecimal()
        )

    def _prefix(self, step: int) -> Path:
        return self._folder / f"{self._name}-{step}"

    def _files(self, step: int) -> list[Path]:
        prefix = self._prefix(step).name
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
        self._prefix(step).with_suffix(".json").unlink(missing_ok=True)
        for path in self._files(step):
            path.unlink(missing_ok=True)

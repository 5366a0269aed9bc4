"""Checkpoints of a run: written whole, checked when they are read.

A checkpoint is TensorFlow's (`ckpt-<step>.index`, `ckpt-<step>.data-…`) and a
JSON file with the SHA-256 digests of these, written last by one rename: without
it, or where a digest differs, the checkpoint does not count.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ...base import configs, files, progress, refused
from ...base.errors import UserError, first_line
from ...base.files import JsonObject
from ...base.storage import records
from ...base.tf import tf

# What TensorFlow tracks: its annotations know it only as a private class.
Trackable = tf.Variable | Sequence[tf.Variable]


@dataclasses.dataclass(frozen=True)
class _Saved:
    """What the record of each checkpoint holds: the digests of its files, by their names."""

    step: int
    sha256: dict[str, str]


class Checkpoints:
    """Checkpoints of some state in a folder, newest last.

    Args:
      name: the first part of their names.
      keep: how many stay.
      run: that they are of, by its id.
      state: keywords for `tf.train.Checkpoint`.
    """

    def __init__(self, folder: Path, name: str, keep: int, run: str = "", **state: Trackable):
        self._folder, self._name, self._keep, self._run = folder, name, keep, run
        self._checkpoint = tf.train.Checkpoint(**state)

    def save(self, step: int, record: JsonObject | None = None) -> None:
        """Writes a checkpoint with what to remember beside it, then removes the oldest."""
        self._folder.mkdir(exist_ok=True)  # A run's folder that was removed is not made again.
        record_path = self._prefix(step).with_suffix(".json")
        self._remove(step)  # It is about to be written.
        self._checkpoint.write(str(self._prefix(step)))
        digests = {path.name: files.sha256(path) for path in self._files(step)}
        content = {**(record or {}), **configs.to_config(_Saved(step, digests))}
        records.write(record_path, content, self._run)
        self._remove_old()

    def restore(
        self, missing: Callable[[JsonObject], str | None] = lambda _: None
    ) -> JsonObject | None:
        """Restores the newest whole checkpoint; names those that are damaged.

        Args:
          missing: what a checkpoint with a record cannot be used without, and is not there, if
            anything is.

        Returns:
          Its record, with its `step`; None if there is no checkpoint.

        Raises:
          UserError: there are some, and all are damaged or do not fit.
        """
        self._remove_unfinished()
        causes: dict[int, str] = {}
        for step in reversed(self._steps()):
            record = self._whole(step)
            damage = "is damaged" if record is None else missing(record) or self._read(step)
            if damage is None:
                if causes:
                    progress.say(f"using the checkpoint before it, of step {step:,}")
                # Else they would count as the newest, and this one go as the oldest.
                for damaged in causes:
                    self._remove(damaged)
                self._remove_old()  # What a kill left after the last was written.
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
        except Exception as error:  # TensorFlow raises whatever its parts do.
            if refused.says_nothing_of_the_file(error):
                raise
            return f"does not fit: {first_line(error)}"
        return None

    def has(self, step: int) -> bool:
        """Whether the checkpoint of a step is there and whole."""
        return self._whole(step) is not None

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
            record = records.read_object(self._prefix(step).with_suffix(".json"), of=self._run)
            saved = configs.from_config(_Saved, record, in_part=True)
            is_whole = saved.step == step and all(
                files.sha256(self._folder / name) == digest for name, digest in saved.sha256.items()
            )
            return record if is_whole and saved.sha256 else None
        except UserError:
            return None
        except OSError as error:
            if refused.says_nothing_of_the_file(error):
                raise
            return None

    def _steps(self) -> list[int]:
        return self._steps_in(self._listed())

    def _steps_in(self, listed: Sequence[str]) -> list[int]:
        names = (Path(name).stem.rpartition("-") for name in listed if name.endswith(".json"))
        return sorted(
            int(step) for name, _, step in names if name == self._name and step.isdecimal()
        )

    def _prefix(self, step: int) -> Path:
        return self._folder / f"{self._name}-{step}"

    def _files(self, step: int) -> list[Path]:
        prefix = self._prefix(step).name
        return [
            self._folder / name
            for name in self._listed()
            if name == f"{prefix}.index" or name.startswith(f"{prefix}.data-")
        ]

    def _listed(self) -> list[str]:
        """The names in the folder; one that cannot be read is not taken for an empty one."""
        try:
            return sorted(os.listdir(self._folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _remove_unfinished(self) -> None:
        """What a kill left: files without a record."""
        listed = self._listed()
        steps = self._steps_in(listed)
        for name in listed:
            step = name.removeprefix(f"{self._name}-").partition(".")[0]
            is_ours = name.startswith(f"{self._name}-") and step.isdecimal()
            if is_ours and int(step) not in steps:
                files.remove(self._folder / name)

    def _remove_old(self) -> None:
        for old in self._steps()[: -self._keep]:
            self._remove(old)

    def _remove(self, step: int) -> None:
        # The record first: without it the rest does not count.
        files.remove(self._prefix(step).with_suffix(".json"))
        for path in self._files(step):
            files.remove(path)

"""Does what a message about a damaged file advises, as far as a program can."""

import shutil
from collections.abc import Callable
from pathlib import Path

import forks
from . import tree

# Messages may advise one thing after another: to move a folder away, and to prepare again.
_ROUNDS = 4
_FRESH = "runs/fresh"


class Advised:
    """Follows the advice of messages.

    Args:
      run: runs a command, as `forks.run`, in the folder `work`.
    """

    def __init__(self, run: Callable[..., forks.Ended], work: Path):
        self._run_in, self._work = run, work

    def helps(self, words: tuple[str, ...], file: str, error: str) -> str | None:
        """Follows what a command advises until it ends well; says what it said last if it does not.

        Args:
          words: of the command.
          file: that is damaged.
          error: the command's message.

        Returns:
          None where it ended well, and where only a copy of the file helps.
        """
        for _ in range(_ROUNDS):
            followed = self._follow(words, file, error)
            if followed is None:
                return None
            words = followed
            ended = self._run(*words)
            if ended.status == 0:
                return None
            error = ended.err.splitlines()[-1] if ended.err else f"status {ended.status}"
        return f"what it advises does not help: {error}"

    def _run(self, *words: str) -> forks.Ended:
        return self._run_in(words, folder=self._work)

    def _follow(self, words: tuple[str, ...], file: str, error: str) -> tuple[str, ...] | None:
        """Does it; gives the command to run again, None where nothing can be done."""
        path = self._work / file
        run = "runs/begun" if file.startswith("runs/begun") else "runs/done"
        training = tree.BEGUN if run == "runs/begun" else tree.DONE
        fresh = tuple(word.replace(run, _FRESH) for word in words)
        if "move it away" in error or "delete it" in error:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif "prepare" in error and "--overwrite" in error:
            self._run(*tree.PREPARE, "--source_dir=../source", "--data_dir=data", "--overwrite")
        elif "train again with --overwrite" in error:
            self._run(*training, "--overwrite")
        elif "same digitline train command" in error:
            self._run(*training)
        elif "--workdir" in error:
            self._run(*(word.replace(run, _FRESH) for word in training))
            return fresh
        else:
            return None
        return words

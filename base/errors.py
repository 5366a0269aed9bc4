"""Errors that are a user's to mend: one clear line, an exit code, no traceback."""

from typing import Any


class UserError(Exception):
    """Something outside the code is wrong: data, files, network, an artifact.

    The message says what is wrong, where, and what to do.

    Attributes:
      exit_code: the process's exit status, 1.
      details: figures for machines; `--json` prints them beside the message.
    """

    exit_code = 1

    def __init__(self, message: str, details: dict[str, Any] | None = None):
        super().__init__(message)
        self.details = details or {}


class UsageError(UserError):
    """A flag or an argument is wrong. Exit status 2."""

    exit_code = 2


class DataError(UserError):
    """Input data is missing, damaged or not what it should be."""


class VerificationError(UserError):
    """An artifact disagrees with the model that it was made from."""

"""Errors that are a user's to mend: one clear line, an exit code, no traceback."""

import re
from typing import Any

# What TensorFlow says of its graph, which is not the user's concern.
_GRAPH_NODES = re.compile(r"\{\{.*?\}\}\s*|\s*\[Op:.*|\s*\[\[.*")

# How a graph's error goes on before it says what is wrong.
_GRAPH_TRACE = re.compile(r"Detected at node|<stack traces|\s+File |\s*\[\[")


class UserError(Exception):
    """Something outside the code is wrong: data, files, network, an artifact.

    The message says what is wrong, where, and what to do.

    Attributes:
      exit_code: the process's exit status, 1.
      details: figures for machines; `--json` prints them beside the message.
      option: the option of the command that would help, if any. The message names its flag;
        a caller that does not have the option says how to reach it.
    """

    exit_code = 1

    def __init__(
        self, message: str, details: dict[str, Any] | None = None, option: str | None = None
    ):
        super().__init__(message)
        self.details = details or {}
        self.option = option


class UsageError(UserError):
    """A flag or an argument is wrong. Exit status 2."""

    exit_code = 2


class DataError(UserError):
    """Input data is missing, damaged or not what it should be."""


class VerificationError(UserError):
    """An artifact disagrees with the model that it was made from."""


def first_line(error: BaseException) -> str:
    """An error's first line, without what TensorFlow adds of its graph."""
    text = str(getattr(error, "message", None) or error).strip() or type(error).__name__
    lines = text.splitlines()
    if lines[0].startswith("Graph execution error") and len(lines) > 1:  # What follows is it.
        lines = [line for line in lines[1:] if line.strip() and not _GRAPH_TRACE.match(line)]
    return _GRAPH_NODES.sub("", lines[0] if lines else text).strip() or type(error).__name__

"""Errors that are a user's to mend: one clear line, an exit code, no traceback."""

import re
import signal
from typing import Any

# What TensorFlow says of its graph, which is not the user's concern.
_GRAPH_NODES = re.compile(r"\{\{.*?\}\}\s*|\s*\[Op:.*|\s*\[\[.*")

# How a graph's error goes on before it says what is wrong.
_GRAPH_TRACE = re.compile(r"Detected at node|<stack traces|\s+File |\s*\[\[|\d+ root error")
_GRAPH_ERROR = re.compile(r"Graph execution error|\d+ root error")
# The last line before it: the node that failed; and which of several errors it is.
_NODE, _NUMBERED = "Node: '", re.compile(r"\s*\(0\) [A-Za-z_ ]+: ")
# Control characters but for tabs; ends of lines; what turns the direction of writing.
_CONTROLS = re.compile("[\\0-\\x08\\n-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")
# Characters of a message, and how many of its end, the advice, stay of a longer one.
_LONGEST, _END = 4000, 1000


class UserError(Exception):
    """Something outside the code is wrong: data, files, network, an artifact.

    The message says what is wrong, where, and what to do: in one line, whatever names it quotes.

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
        super().__init__(_cut(printable(message)))
        self.details = details or {}
        self.option = option


class UsageError(UserError):
    """A flag or an argument is wrong. Exit status 2."""

    exit_code = 2


class DataError(UserError):
    """Input data is missing, damaged or not what it should be."""


class VerificationError(UserError):
    """An artifact disagrees with the model that it was made from."""


def _cut(message: str) -> str:
    """A message without its middle, where it quotes what is as long as its file."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST - _END]} […] {message[-_END:]}"


def first_line(error: BaseException) -> str:
    """An error's first line, without what TensorFlow adds of its graph."""
    text = str(getattr(error, "message", None) or error).strip() or type(error).__name__
    lines = text.splitlines()
    if _GRAPH_ERROR.match(lines[0]) and len(lines) > 1:  # What follows is it.
        nodes = [number for number, line in enumerate(lines) if line.startswith(_NODE)]
        rest = lines[nodes[-1] + 1 if nodes else 1 :]
        lines = [line for line in rest if line.strip() and not _GRAPH_TRACE.match(line)]
    # Cut before it is searched: what it quotes may be as long as a file.
    line = _NUMBERED.sub("", (lines[0] if lines else text)[:_LONGEST])
    return _GRAPH_NODES.sub("", line).strip() or type(error).__name__


def printable(text: str) -> str:
    r"""A text in which no character moves the cursor or changes what a terminal shows.

    Names of files and models can hold any: those stand as Python writes them, such as `\x1b`.
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """The same, where the ends of lines are meant."""
    return "\n".join(map(printable, text.split("\n")))


def how_ended(status: int) -> str:
    """How a process ended, by its return code: "by SIGSEGV" or "with status 1"."""
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:  # One of real time.
        return f"by signal {-status}"

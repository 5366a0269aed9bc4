"""How each sub-command is an absl binary: flags, help, `--json`, exit codes.

A command's module holds its `FLAGS`, a function that does the work and returns
a dict, a function that turns the dict into text, and `COMMAND`, which ties
them together. Each command has flags of its own (an `absl.flags.FlagValues`),
so that several can live in one process.

Exit codes: 0 done; 1 something outside the flags is wrong; 2 a flag is wrong;
130 interrupted.
"""

import contextlib
import dataclasses
import difflib
import errno
import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TextIO

from absl import app, flags, logging

from .errors import UsageError, UserError, first_line

_OUTPUT = "Output"
_JSON = re.compile(r"--?json(=(true|t|yes|y|1))?", re.IGNORECASE)
# A disk, a quota or a size limit that is used up, in the system's own words.
_FULL = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]


@dataclasses.dataclass(frozen=True)
class Command:
    """One sub-command.

    Attributes:
      name: as typed after `digitline`.
      summary: one or two sentences for `--help`.
      flags: its own flags; `module_name` of each is its group's title.
      run: does the work. Takes the parsed flags and the arguments that are not
        flags; returns the figures as a dict that JSON can hold. Under the key
        `errors`, a list of messages: the exit status is then 1.
      text: the figures as text for a person.
      arguments: how the arguments that are not flags are called in the help;
        empty if the command takes none.
    """

    name: str
    summary: str
    flags: flags.FlagValues
    run: Callable[[Any, list[str]], dict[str, Any]]
    text: Callable[[dict[str, Any]], str]
    arguments: str = ""


def new_flags() -> flags.FlagValues:
    """A command's flags, with those that every command has."""
    values = flags.FlagValues()
    flags.DEFINE_bool(
        "json",
        False,
        "Print one JSON object and nothing else on standard output.",
        **group(values, _OUTPUT),
    )
    return values


def group(values: flags.FlagValues, title: str) -> dict[str, Any]:
    """Keywords for `flags.DEFINE_*`: whose flag it is and under which title it is shown."""
    return {"flag_values": values, "module_name": title}


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean X?` for the word most like `word`, or nothing."""
    words = {each.lstrip("-"): each for each in words}  # Dashes would make flags look alike.
    close = difflib.get_close_matches(word.lstrip("-"), words, n=1, cutoff=0.5)
    return f"; did you mean {words[close[0]]}?" if close else ""


class OneOf(flags.ArgumentParser):
    """Parses a flag that takes one of a few words; a wrong one is met with the nearest."""

    def __init__(self, what: str, words: Iterable[str]):
        super().__init__()
        self._what, self._words = what, tuple(words)
        self.syntactic_help = "|".join(self._words)

    def parse(self, argument: str) -> str:
        if argument not in self._words:
            raise ValueError(
                f"unknown {self._what} '{argument}'{nearest(argument, self._words)} "
                f"(there are: {', '.join(self._words)})"
            )
        return argument


def define_one_of(
    name: str, default: str | None, words: Iterable[str], help_text: str, **where: Any
) -> None:
    """Defines a flag that takes one of `words`."""
    flags.DEFINE(OneOf(name, words), name, default, help_text, **where)


def program() -> str:
    """How a person types `digitline` here: with its path where the shell would not find it."""
    started = sys.argv[0]
    if os.path.basename(started) != "digitline":
        return "digitline"
    found = shutil.which("digitline")
    if found and os.path.samefile(found, started):
        return "digitline"
    return os.path.relpath(started)


def call(command: Command, arguments: list[str]) -> dict[str, Any]:
    """Runs a command in this process, as its command line would, and returns its figures.

    Raises:
      UserError: as the command does.
    """
    command.flags.unparse_flags()
    rest = _parse(command, command.flags, [command.name, *arguments])
    return command.run(command.flags, rest)


def main(command: Command, argv: list[str] | None = None) -> NoReturn:
    """Runs a command as a process: parses, works, prints, and exits."""
    argv = list(sys.argv if argv is None else argv)
    if _wants_help(argv):
        print(help_text(command))
        sys.exit(0)
    # TFDS, Keras and the C++ below them print where they like. The real standard
    # output is put aside for the result, and theirs goes to standard error.
    with _reserved_stdout() as out:
        code = _guarded(command, argv, out)
    sys.exit(code)


def _guarded(command: Command, argv: list[str], out: TextIO) -> int:
    """Runs the command and prints its result or its error; returns the exit code."""
    as_json = any(_JSON.fullmatch(word) for word in argv)  # Also where the flags are wrong.
    try:
        result = _run_app(command, argv)
        if result is None:
            return 0
        errors = result.get("errors", [])
        as_json = command.flags["json"].value  # --flagfile may have set it.
        shown = json.dumps(result) if as_json else command.text(result)
        if shown:
            print(shown, file=out, flush=True)
        for error in errors:
            _print_error(command, error)
        return 1 if errors else 0
    except UserError as error:
        as_json = as_json or command.flags["json"].value
        logging.debug("Traceback of the error below:", exc_info=True)
        if as_json:
            print(json.dumps({"error": str(error), **error.details}), file=out, flush=True)
        _print_error(command, str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _print_error(command, "interrupted; the same command again goes on or starts clean")
        return 130


def _run_app(command: Command, argv: list[str]) -> dict[str, Any] | None:
    """Lets absl parse the flags and run the command.

    Returns:
      The command's result; None where absl's own flags let nothing run (--only_check_args).
    """
    result: dict[str, Any] = {}

    def parse(arguments: list[str]) -> list[str]:
        flags.FLAGS.append_flag_values(command.flags)
        rest = _parse(command, flags.FLAGS, arguments)
        command.flags.mark_as_parsed()
        return [arguments[0], *rest]

    def work(arguments: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # absl sets INFO: TFDS then talks.
        result.update(command.run(command.flags, arguments[1:]))

    try:
        app.run(work, argv=argv, flags_parser=parse)
    except SystemExit as stop:
        if stop.code:
            raise
    except UserError:
        raise
    except Exception as error:
        message = _storage_error(error)
        if message is None:
            raise
        raise UserError(message) from error
    return result or None


def _parse(command: Command, values: flags.FlagValues, argv: list[str]) -> list[str]:
    """Parses `argv` into `values`; returns the arguments that are not flags.

    Raises:
      UsageError: an unknown flag, a wrong value (infinite and NaN are, for every flag), or
        an argument too many.
    """
    try:
        rest = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        name = f"--{error.flagname}"
        raise UsageError(
            f"unknown flag {name}{nearest(name, (f'--{known}' for known in command.flags))} "
            f"(digitline {command.name} --help lists them)"
        ) from None
    except flags.Error as error:
        raise UsageError(str(error)) from None
    for name in command.flags:
        value = values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name}={value}: a finite number was expected")
    if rest and not command.arguments:
        raise UsageError(f"unexpected argument '{rest[0]}': flags begin with --")
    return rest


def _print_error(command: Command, message: str) -> None:
    print(f"digitline {command.name}: error: {message}", file=sys.stderr, flush=True)


def _storage_error(error: BaseException | None) -> str | None:
    """What the file system refused, as one line with the path, or None if it is no such error.

    Libraries wrap such errors in their own, so the whole chain is looked at.
    """
    tensorflow: Any = sys.modules.get("tensorflow")
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, OSError) and error.errno:
            where = f"{error.filename}: " if error.filename else ""
            return _with_advice(f"{where}{error.strerror}")
        if tensorflow is not None and isinstance(error, tensorflow.errors.OpError):
            message = first_line(error)
            refused = (
                tensorflow.errors.DataLossError,
                tensorflow.errors.PermissionDeniedError,
                tensorflow.errors.ResourceExhaustedError,  # Memory, where it is not the disk.
            )
            if isinstance(error, refused) or any(text in message for text in _FULL):
                return _with_advice(message)
        error = error.__cause__ or error.__context__
    return None


def _with_advice(message: str) -> str:
    if any(text in message for text in _FULL):
        message += "; free some space or use another folder, then run the same command again"
    return message


@contextlib.contextmanager
def _reserved_stdout() -> Iterator[TextIO]:
    """Gives the real standard output, while descriptor 1 leads to standard error."""
    sys.stdout.flush()
    reserved = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(reserved, "w", encoding="utf-8", closefd=False) as out:
            yield out
    finally:
        sys.stdout.flush()
        os.dup2(reserved, 1)
        os.close(reserved)


def _wants_help(argv: list[str]) -> bool:
    return any(word in ("-h", "-help", "--help", "--helpshort", "--helpfull") for word in argv[1:])


def help_text(command: Command) -> str:
    """The command's help: summary, then its flags by group with defaults."""
    usage = f"digitline {command.name} [--flag=value …] {command.arguments}".rstrip()
    lines = [f"usage: {usage}", "", *textwrap.wrap(command.summary, 88)]
    groups = command.flags.flags_by_module_dict()
    for title in sorted(groups, key=lambda title: title == _OUTPUT):  # Output comes last.
        lines += ["", f"{title}:"]
        for flag in groups[title]:
            lines += _flag_help(flag)
    lines += [
        "",
        "absl's own flags work too, for example --flagfile=FILE (flags from a file) and",
        "--verbosity=1 (all log messages, and a traceback for each error).",
    ]
    return "\n".join(lines)


def _flag_help(flag: flags.Flag) -> list[str]:
    head = f"  --{'[no]' if flag.boolean else ''}{flag.name}"
    text = flag.help or ""
    if flag.parser.syntactic_help and isinstance(flag.parser, OneOf):
        text += f" One of {flag.parser.syntactic_help}."
    if flag.default is not None:
        default = str(flag.default).lower() if flag.boolean else flag.default
        text += f" (default: {default})"
    return [head, *textwrap.wrap(text, 88, initial_indent="      ", subsequent_indent="      ")]

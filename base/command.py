"""How each sub-command is an absl binary: flags, help, `--json`, exit codes.

A command's module holds the dataclass of its options (`command_flags`), a function that
does the work and returns a result, a function that turns the result into text, and
`COMMAND`, which ties them together. Each command has flags of its own (an
`absl.FlagValues`), so that several can live in one process.

Exit codes: 0 done; 1 something outside the flags is wrong; 2 a flag is wrong;
130 interrupted.
"""

import contextlib
import dataclasses
import errno
import importlib
import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NoReturn, TextIO, TypeVar

from absl import app, flags, logging
from absl.flags import FlagValues

from . import addresses, command_flags, configs
from .errors import UsageError, UserError, first_line, printable_lines
from .files import JsonObject
from .process import interruption, temporary

Options = TypeVar("Options")
Result = TypeVar("Result")

_JSON = re.compile(r"--?json(=(true|t|yes|y|1))?", re.IGNORECASE)
# A disk, a quota or a size limit that is used up, in the system's own words.
_FULL = [os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]


@dataclasses.dataclass(frozen=True)
class Command(Generic[Options, Result]):
    """One sub-command.

    Attributes:
      name: as typed after `program`.
      summary: one or two sentences for `--help`.
      flags: its own flags.
      options: what the parsed flags and the arguments that are not flags state.
      run: does the work.
      text: the result as text for a person.
      to_json: the result for `--json`.
      errors: the result's messages of what is wrong; the exit status is 1 if there are any.
      arguments: how the arguments that are not flags are called in the help; empty if the
        command takes none.
      program: what is typed before the name.
      lasts: whether it is a server, which goes on when somebody cleans the temporary folder.
    """

    name: str
    summary: str
    flags: FlagValues
    options: Callable[[FlagValues, list[str]], Options]
    run: Callable[[Options], Result]
    text: Callable[[Result], str]
    to_json: Callable[[Result], JsonObject] = configs.to_config
    errors: Callable[[Result], Sequence[str]] = lambda _: ()
    arguments: str = ""
    program: str = "digitline"
    lasts: bool = False

    @property
    def typed(self) -> str:
        """How a person starts it."""
        return f"{self.program} {self.name}"


def program() -> str:
    """How a person types `digitline` here: with its path where the shell would not find it."""
    started = sys.argv[0]
    if os.path.basename(started) != "digitline":
        return "digitline"
    on_path = shutil.which("digitline")
    if on_path and os.path.samefile(on_path, started):
        return "digitline"
    return os.path.relpath(started)


def command_line(*words: str) -> str:
    """A command of `digitline` as it is to be typed: what the shell would change is quoted."""
    return shlex.join([program(), *words])


def call(command: Command[Options, Result], arguments: list[str]) -> Result:
    """Runs a command in this process, as its command line would, and returns its result.

    Raises:
      UserError: as the command does.
    """
    command.flags.unparse_flags()
    rest = _parse(command, command.flags, [command.name, *arguments])
    return command.run(command.options(command.flags, rest))


def perform(command: Command[Options, Result], options: Options) -> Result:
    """Runs a command by its options.

    Raises:
      UserError: as the command does; also what the file system refuses.
    """
    try:
        return command.run(options)
    except UserError:
        raise
    except Exception as error:
        message = _storage_error(error)
        if message is None:
            raise
        raise UserError(message) from error


def start(module: str, argv: list[str] | None = None, **defaults: str) -> NoReturn:
    """Runs the command of a module as a process; the module is found by its name.

    So neither the list of commands nor a network's file imports the commands.

    Args:
      module: such as `models.train`; it holds the command as `COMMAND`.
      argv: as for `main`.
      defaults: flags whose default is another here.
    """
    interruption.end_at_once(program())
    package = __name__.rpartition(".base.")[0]
    try:
        command = importlib.import_module(f"{package}.{module}").COMMAND
    except UserError as error:  # A variable of the environment is wrong.
        print(f"{program()}: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    for name, default in defaults.items():
        command.flags.set_default(name, default)
    main(command, argv)


def main(command: Command[Options, Result], argv: list[str] | None = None) -> NoReturn:
    """Runs a command as a process: parses, works, prints, and exits."""
    interruption.end_at_once(command.typed)
    argv = list(sys.argv if argv is None else argv)
    if _wants_help(argv):
        print(help_text(command))
        sys.exit(0)
    # TFDS, Keras and the C++ below them print where they like. The real standard
    # output is put aside for the result, and theirs goes to standard error.
    # Libraries leave files in the temporary folder when they are killed.
    folder = contextlib.nullcontext() if command.lasts else temporary.own_folder()
    with _reserved_stdout() as out, folder:
        code = _guarded(command, argv, out)
    sys.exit(code)


def _guarded(command: Command[Options, Result], argv: list[str], out: TextIO) -> int:
    """Runs the command and prints its result or its error; returns the exit code."""
    wants_json = any(_JSON.fullmatch(word) for word in argv)  # Also where the flags are wrong.
    try:
        results = _run_app(command, argv)
        if not results:
            return 0
        (result,) = results
        errors = command.errors(result)
        wants_json = command.flags["json"].value  # --flagfile may have set it.
        shown = json.dumps(command.to_json(result)) if wants_json else command.text(result)
        if shown:
            print(addresses.shown(shown), file=out, flush=True)
        for error in errors:
            _print_error(command, error)
        return 1 if errors else 0
    except UserError as error:
        wants_json = wants_json or command.flags["json"].value
        logging.debug("Traceback of the error below:", exc_info=True)
        if wants_json:
            answer = json.dumps({"error": str(error), **error.details})
            print(addresses.shown(answer), file=out, flush=True)
        _print_error(command, str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print(interruption.line(command.typed), file=sys.stderr, flush=True)
        interruption.end_silently()
        return interruption.STATUS


def _run_app(command: Command[Options, Result], argv: list[str]) -> list[Result]:
    """Lets absl parse the flags and run the command.

    Returns:
      The command's result; none where absl's own flags let nothing run (--only_check_args).
    """
    results: list[Result] = []

    def parse(arguments: list[str]) -> list[str]:
        flags.FLAGS.append_flag_values(command.flags)
        rest = _parse(command, flags.FLAGS, arguments)
        command.flags.mark_as_parsed()
        return [arguments[0], *rest]

    def work(arguments: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # absl sets INFO: TFDS then talks.
        options = command.options(command.flags, arguments[1:])
        with interruption.raised():
            results.append(perform(command, options))

    try:
        app.run(work, argv=argv, flags_parser=parse)
    except SystemExit as stop:
        if stop.code:
            raise
    return results


def _parse(command: Command[Options, Result], values: FlagValues, argv: list[str]) -> list[str]:
    """Parses `argv` into `values`; returns the arguments that are not flags.

    Raises:
      UsageError: a flag is wrong, or there is an argument too many.
    """
    rest = command_flags.parse(command.typed, command.flags, values, argv)
    if rest and not command.arguments:
        raise UsageError(f"unexpected argument '{rest[0]}': flags begin with --")
    return rest


def _print_error(command: Command[Options, Result], message: str) -> None:
    message = printable_lines(addresses.shown(message))
    print(f"{command.typed}: error: {message}", file=sys.stderr, flush=True)


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
        # Names of files may hold what is no text.
        with open(reserved, "w", -1, "utf-8", "backslashreplace", closefd=False) as out:
            yield out
    finally:
        sys.stdout.flush()
        os.dup2(reserved, 1)
        os.close(reserved)


def _wants_help(argv: list[str]) -> bool:
    return any(word in ("-h", "-help", "--help", "--helpshort", "--helpfull") for word in argv[1:])


def help_text(command: Command[Options, Result]) -> str:
    """The command's help: summary, then its flags by group with defaults."""
    usage = f"{command.typed} [--flag=value …] {command.arguments}".rstrip()
    lines = [f"usage: {usage}", "", *textwrap.wrap(command.summary, 88)]
    lines += command_flags.help_of_flags(command.flags)
    lines += [
        "",
        "absl's own flags work too, for example --flagfile=FILE (flags from a file) and",
        "--verbosity=1 (all log messages, and a traceback for each error).",
    ]
    return addresses.shown("\n".join(lines))

"""How each sub-command is an absl binary: flags, help, `--json`, exit codes.

A command's module holds the dataclass of its options (`command_flags`), a function that
does the work and returns a result, a function that turns the result into text, and
`COMMAND`, which ties them together. Each command has flags of its own (an
`absl.FlagValues`), so that several can live in one process.

Exit codes: 0 done; 1 something outside the flags is wrong; 2 a flag is wrong;
130 interrupted; 141 nobody reads the result any more.
"""

import contextlib
import dataclasses
import importlib
import json
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NoReturn, TypeVar

from absl import app, flags, logging
from absl.flags import FlagValues

from . import addresses, command_flags, configs, refused
from .errors import UsageError, UserError, printable_lines
from .files import JsonObject
from .process import interruption, streams, temporary

Options = TypeVar("Options")
Result = TypeVar("Result")

_JSON = re.compile(r"--?json(=(true|t|yes|y|1))?", re.IGNORECASE)


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
    with contextlib.suppress(OSError):  # The folder that it was started in may be gone.
        if on_path and os.path.samefile(on_path, started):
            return "digitline"
        return os.path.relpath(started)
    return started


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
    with _one_line():
        return command.run(options)


def start(module: str, argv: list[str] | None = None, **defaults: str) -> NoReturn:
    """Runs the command of a module as a process; the module is found by its name.

    So neither the list of commands nor a network's file imports the commands.

    Args:
      module: such as `models.train`; it holds the command as `COMMAND`.
      argv: as for `main`.
      defaults: flags whose default is another here.
    """
    streams.settle()
    interruption.end_at_once(program())
    package = __name__.rpartition(".base.")[0]
    try:
        with _one_line():
            command = importlib.import_module(f"{package}.{module}").COMMAND
    except UserError as error:  # A variable of the environment is wrong, or a file cannot be read.
        print(f"{program()}: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    for name, default in defaults.items():
        command.flags.set_default(name, default)
    main(command, argv)


def main(command: Command[Options, Result], argv: list[str] | None = None) -> NoReturn:
    """Runs a command as a process: parses, works, prints, and exits."""
    streams.settle()
    interruption.end_at_once(command.typed)
    argv = list(sys.argv if argv is None else argv)
    if _wants_help(argv):
        sys.exit(streams.show(command.typed, help_text(command)))
    # TFDS, Keras and the C++ below them print where they like. The real standard
    # output is put aside for the result, and theirs goes to standard error.
    # Libraries leave files in the temporary folder when they are killed.
    folder = contextlib.nullcontext() if command.lasts else temporary.own_folder()
    with _reserved_stdout() as out, folder:
        code = _guarded(command, argv, out)
    sys.exit(code)


def _guarded(command: Command[Options, Result], argv: list[str], out: int) -> int:
    """Runs the command and prints its result or its error; returns the exit code."""
    wants_json = any(_JSON.fullmatch(word) for word in argv)  # Also where the flags are wrong.
    try:
        with _one_line():
            results = _run_app(command, argv)
            if not results:
                return 0
            (result,) = results
            errors = command.errors(result)
            wants_json = command.flags["json"].value  # --flagfile may have set it.
            shown = json.dumps(command.to_json(result)) if wants_json else command.text(result)
        code = streams.show(command.typed, addresses.shown(shown), out) if shown else 0
        for error in errors:
            _print_error(command, error)
        return 1 if errors else code
    except UserError as error:
        wants_json = wants_json or command.flags["json"].value
        logging.debug("Traceback of the error below:", exc_info=True)
        if wants_json:
            answer = json.dumps({"error": str(error), **error.details})
            with contextlib.suppress(OSError):  # The line and the status say it as well.
                streams.write(addresses.shown(answer), out)
        _print_error(command, str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print(interruption.line(command.typed), file=sys.stderr, flush=True)
        interruption.end_silently()
        return interruption.STATUS


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Raises what the system refuses in the block as a `UserError`."""
    try:
        yield
    except Exception as error:
        known = refused.user_error(error)
        if known is None or known is error:
            raise
        raise known from error


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


@contextlib.contextmanager
def _reserved_stdout() -> Iterator[int]:
    """Gives a descriptor of the real standard output, while 1 leads to standard error."""
    sys.stdout.flush()
    reserved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield reserved
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

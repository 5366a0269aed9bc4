"""`digitline serve`: exported models behind TF Serving's gRPC and REST interfaces."""

import asyncio
import contextlib
import dataclasses
import importlib.metadata
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..base import command, command_flags, export_layout, refused
from ..base.errors import UsageError, UserError
from ..base.files import JsonObject
from ..base.process import streams
from .flags import FLAGS, ServeOptions

if TYPE_CHECKING:
    from .trials import Trials


@dataclasses.dataclass(frozen=True)
class Versions:
    """What `--version` prints."""

    digitline: str
    tensorflow: str
    tensorflow_serving_api: str


@dataclasses.dataclass(frozen=True)
class Served:
    """What was served when the server has stopped."""

    seconds: float
    requests: int


def run(options: ServeOptions) -> Versions | Served:
    """Serves until SIGTERM or Ctrl-C; then says what was served."""
    if options.version:
        names = ("digitline", "tensorflow", "tensorflow-serving-api")
        return Versions(*map(importlib.metadata.version, names))
    from .page import litert_js
    from .trials import Trials

    try:
        options.check()
        if options.litertjs and not litert_js.is_whole(options.litertjs):
            raise UsageError(f"--litertjs={options.litertjs}: LiteRT.js is missing or incomplete")
        for line in options.notices():
            print(line, file=sys.stderr)
        with contextlib.closing(Trials(options)) as trials:
            _prepare(trials, options)
            begun = time.monotonic()
            if options.servers > 1:
                from .many import parent

                requests = asyncio.run(parent.serve_until_signal(options, trials))
            else:
                from . import service  # Imports TensorFlow.

                requests = asyncio.run(service.serve_until_signal(options, trials))
        return Served(time.monotonic() - begun, requests)
    except UserError as error:
        raise type(error)(f"Failed to start server. Error: {error}") from error
    except OSError as error:
        cause = refused.words(error) or error
        raise UserError(f"Failed to start server. Error: {cause}") from error


def _prepare(trials: "Trials", options: ServeOptions) -> None:
    """Lets the process of a first trial import TensorFlow while this one does."""
    from .core import config, loading
    from .protocol.status import StatusError

    path = Path(options.model_config_file)
    with contextlib.suppress(UserError, StatusError, OSError):  # Said when the server starts.
        if options.model_config_file:
            models = config.parse(config.read(path), path)
        else:
            models = config.from_flags(options.model_name, options.model_base_path)
        if loading.awaits_trial(models, options):
            trials.prepare(export_layout.SAVED_MODEL)


def text(result: Versions | Served) -> str:
    """The result for a person."""
    if isinstance(result, Versions):
        return (
            f"digitline {result.digitline}, a server like TensorFlow ModelServer\n"
            f"TensorFlow Library: {result.tensorflow}"
        )
    return f"answered {result.requests:,} requests in {result.seconds:,.0f} s"


def to_json(result: Versions | Served) -> JsonObject:
    """The result for `--json`; packages have their own names."""
    return {name.replace("_", "-"): value for name, value in dataclasses.asdict(result).items()}


COMMAND = command.Command(
    name="serve",
    summary="Serves SavedModels and TFLite files to the clients of TF Serving, with its flags, "
    "gRPC and REST interfaces, config files and version policies. Only this machine reaches it "
    "unless --host says otherwise. SIGTERM lets running requests finish.",
    flags=FLAGS,
    options=lambda values, _: command_flags.read(ServeOptions, values),
    run=run,
    text=text,
    to_json=to_json,
    lasts=True,
)


def model_server() -> NoReturn:
    """Entry point of `digitline-model-server`, which takes a command line of TF Serving.

    Like TF Serving, it names arguments that it does not know, and goes on.
    """
    streams.settle()
    arguments = [sys.argv[0]]
    for word in sys.argv[1:]:
        name, equals, _ = word.lstrip("-").partition("=")
        # Like TF Serving: --flag=value, and only a switch may be --flag.
        is_known = (name in FLAGS and (equals or FLAGS[name].boolean)) or name in ("help", "h")
        if word.startswith("-") and is_known:
            arguments.append(word)
        else:
            print(f"unknown argument: {word}", file=sys.stderr)
    if len(arguments) < len(sys.argv):
        print(command.help_text(COMMAND), file=sys.stderr)
    command.main(COMMAND, arguments)


if __name__ == "__main__":
    command.main(COMMAND)

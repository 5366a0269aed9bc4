"""`digitline serve`: exported models behind TF Serving's gRPC and REST interfaces."""

import asyncio
import importlib.metadata
import sys
from typing import Any, NoReturn

from ..base import command
from ..base.errors import UserError
from .flags import FLAGS, MEANINGLESS


def run(values: Any, arguments: list[str]) -> dict[str, Any]:
    """Serves until SIGTERM or Ctrl-C; then says what was served."""
    del arguments
    if values.version:
        return _versions()
    try:
        from . import settings
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        settings.check(values)
    except UserError as error:
        raise _not_started(error) from error
    if values.model_config_file and values.model_base_path:
        print("--model_config_file states the models: --model_base_path is not used",
              file=sys.stderr)  # fmt: skip
    for name, why in MEANINGLESS.items():
        if values[name].present:
            print(f"--{name} has no meaning here: {why}", file=sys.stderr)
    try:
        from . import service  # Imports TensorFlow.
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        return asyncio.run(service.serve(values))
    except UserError as error:
        raise _not_started(error) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise _not_started(UserError(f"{where}{error.strerror}")) from error


def _not_started(error: UserError) -> UserError:
    return type(error)(f"Failed to start server. Error: {error}")


def text(result: dict[str, Any]) -> str:
    """The result for a person."""
    if "tensorflow" in result:
        return (
            f"digitline {result['digitline']}, a server like TensorFlow ModelServer\n"
            f"TensorFlow Library: {result['tensorflow']}"
        )
    return f"answered {result['requests']:,} requests in {result['seconds']:,.0f} s"


def _versions() -> dict[str, Any]:
    names = ("digitline", "tensorflow", "tensorflow-serving-api")
    return {name: importlib.metadata.version(name) for name in names}


def _missing(error: ModuleNotFoundError) -> UserError:
    return UserError(
        f"serving needs the package {error.name}: python -m pip install 'digitline[serve]'"
    )


COMMAND = command.from_values(
    name="serve",
    summary="Serves SavedModels and TFLite files to the clients of TF Serving, with its flags, "
    "gRPC and REST interfaces, config files and version policies. At this machine alone unless "
    "--host says otherwise. SIGTERM lets running requests end.",
    flags=FLAGS,
    run=run,
    text=text,
)


def model_server() -> NoReturn:
    """Entry point of `digitline-model-server`, which takes a command line of TF Serving.

    Like TF Serving, it names arguments that it does not know, and goes on.
    """
    arguments = [sys.argv[0]]
    for word in sys.argv[1:]:
        name, equals, _ = word.lstrip("-").partition("=")
        # Like TF Serving: --flag=value, and --flag alone where it is a switch.
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

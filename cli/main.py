"""`digitline <command> [flags]`: finds the command and starts it.

Imports nothing heavy: `digitline --help` answers at once, and a command pays only for what it
needs.
"""

from __future__ import annotations

import importlib
import sys

from ..base.process import interruption

TYPE_CHECKING = False  # As in ../__init__.py.
if TYPE_CHECKING:
    from typing import NoReturn

# Name: (the module that holds it as `COMMAND`, what it does).
COMMANDS = {
    "prepare": ("data.prepare", "raw images to sharded TFRecords"),
    "inspect": ("data.inspect", "counts, balance, leakage and a sheet of samples of a dataset"),
    "data_service": ("data.data_service", "workers that make training batches for train"),
    "train": ("models.train", "a prepared dataset to a trained model in a run folder"),
    "evaluate": ("models.evaluate", "a trained model's accuracy on a split"),
    "export": ("export.exporter", "a trained model to a verified SavedModel and TFLite file"),
    "predict": ("serving.predict", "the class of a picture, by an exported model"),
    "list": ("cli.list", "the datasets, runs and exports that there are"),
    "serve": ("serving.serve", "an exported model behind TF Serving's gRPC and REST interfaces"),
    "litertjs": ("serving.page.litert_js", "LiteRT.js for the page of serve, fetched once"),
    "benchmark": ("export.benchmark", "size, accuracy and speed of the formats of an export"),
    "report": (
        "models.report.command",
        "a run as a page with figures; runs compared; the table of accuracies",
    ),
    "quickstart": ("cli.quickstart", "all of it once, on MNIST: prepare to predict"),
}
# What `digitline benchmark` measured in earlier releases.
_SCRIPTS = ("pipeline", "serving")


def usage() -> str:
    """The text of `digitline --help`."""
    lines = ["usage: digitline <command> [--flag=value …]", "", "commands:"]
    lines += [f"  {name:<14}{summary}" for name, (_, summary) in COMMANDS.items()]
    lines += ["", "digitline <command> --help lists a command's flags; digitline --version"]
    return "\n".join(lines)


def main() -> NoReturn:
    """Entry point of the console script."""
    interruption.end_at_once("digitline")
    from ..base.process import streams  # Only now: an interrupted import would be a traceback.

    streams.settle()
    if len(sys.argv) < 2:
        _fail(f"which command?\n\n{usage()}")
    name, *arguments = sys.argv[1:]
    if name in ("--help", "-h", "-help", "--helpfull", "help"):
        sys.exit(streams.show("digitline", usage()))
    if name == "--version":
        version = importlib.import_module(__name__.rpartition(".cli.")[0]).__version__
        sys.exit(streams.show("digitline", f"digitline {version}"))
    # Only now, for the sake of `digitline --help`: it takes as long as all that is above.
    from ..base import command
    from ..base.command_flags import nearest

    if name.startswith("-"):
        hint = nearest(name, ("--help", "--version"))
        if hint:
            _fail(f"unknown flag {name}{hint}")
        _fail(f"the command comes before its flags: digitline <command> {name} …")
    if name not in COMMANDS:
        hint = nearest(name.lower(), COMMANDS) or f"; choose from: {', '.join(COMMANDS)}"
        _fail(f"unknown command '{name}'{hint}")
    if name == "benchmark" and arguments and arguments[0] in _SCRIPTS:
        script = f"python benchmarks/{arguments[0]}.py"
        _fail(f"benchmark {arguments[0]} is a script of the source tree now: {script}")
    command.start(COMMANDS[name][0], [f"digitline {name}", *arguments])


def _fail(message: str) -> NoReturn:
    print(f"digitline: error: {message}", file=sys.stderr)
    sys.exit(2)

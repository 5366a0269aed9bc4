"""`digitline <command> [flags]`: finds the command and starts it.

Imports nothing heavy: `digitline --help` answers at once, and a command pays
for what it needs alone.
"""

import difflib
import importlib
import sys
from typing import NoReturn

# Name: (the module that holds it as `COMMAND`, what it does).
COMMANDS = {
    "prepare": ("data.prepare", "raw images to sharded TFRecords"),
    "inspect": ("data.inspect", "counts, balance, leakage and a sheet of samples of a dataset"),
    "train": ("models.train", "a prepared dataset to a trained model in a run folder"),
    "evaluate": ("models.evaluate", "a trained model's accuracy on a split"),
    "export": ("export.exporter", "a trained model to a verified SavedModel and TFLite file"),
    "predict": ("serving.predict", "the class of a picture, by an exported model"),
    "serve": ("serving.serve", "an exported model behind TF Serving's gRPC and REST interfaces"),
    "litertjs": ("serving.page.litert_js", "LiteRT.js for the page of serve, fetched once"),
    "benchmark": ("export.benchmark", "size, accuracy and speed of the formats of an export"),
    "report": (
        "models.report.command",
        "a run as a page with figures; runs compared; the table of accuracies",
    ),
    "quickstart": ("cli.quickstart", "all of it once, on MNIST: prepare to predict"),
}
# What `digitline benchmark` measures, each by a command of its own.
BENCHMARKS = {
    "formats": "export.benchmark",
}
_PACKAGE = __name__.rpartition(".cli.")[0]


def usage() -> str:
    """The text of `digitline --help`."""
    lines = ["usage: digitline <command> [--flag=value …]", "", "commands:"]
    for name, (_, summary) in COMMANDS.items():
        lines.append(f"  {name:<12}{summary}")
    lines += ["", "digitline <command> --help lists a command's flags; digitline --version"]
    return "\n".join(lines)


def main() -> NoReturn:
    """Entry point of the console script."""
    arguments = sys.argv[1:]
    if not arguments:
        _fail(f"which command?\n\n{usage()}")
    name = arguments[0]
    if name in ("--help", "-h", "-help", "--helpfull", "help"):
        print(usage())
        sys.exit(0)
    if name == "--version":
        print(f"digitline {importlib.import_module(_PACKAGE).__version__}")
        sys.exit(0)
    if name.startswith("-"):
        close = difflib.get_close_matches(name, ("--help", "--version"), n=1, cutoff=0.7)
        if close:
            _fail(f"unknown flag {name}; did you mean {close[0]}?")
        _fail(f"the command comes before its flags: digitline <command> {name} …")
    if name not in COMMANDS:
        close = difflib.get_close_matches(name.lower(), COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COMMANDS)}"
        _fail(f"unknown command '{name}'; {hint}")
    module, _ = COMMANDS[name]
    if name == "benchmark":
        module = _benchmark(arguments[1:])
    from ..base import command

    found = importlib.import_module(f"{_PACKAGE}.{module}").COMMAND
    command.main(found, [f"digitline {name}", *arguments[1:]])


def _benchmark(arguments: list[str]) -> str:
    """The module of what is to be measured: the first word that is no flag."""
    words = [word for word in arguments if not word.startswith("-")]
    module = BENCHMARKS.get(words[0]) if words else None
    if module is not None:
        return module
    if {"--help", "-h", "-help", "--helpfull"} & set(arguments):
        print("usage: digitline benchmark <what> [--flag=value …]\n")
        print("what: " + ", ".join(BENCHMARKS))
        print("\ndigitline benchmark <what> --help lists the flags of each")
        sys.exit(0)
    given = f"'{words[0]}'" if words else "nothing"
    close = difflib.get_close_matches(words[0], BENCHMARKS, n=1) if words else []
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(BENCHMARKS)}"
    return _fail(f"benchmark what? Got {given}; {hint}")


def _fail(message: str) -> NoReturn:
    print(f"digitline: error: {message}", file=sys.stderr)
    sys.exit(2)

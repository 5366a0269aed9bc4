"""What the benchmarks share: their command lines, and the files of their figures."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from digitline.base import command, files
from digitline.base.command_flags import flag, flag_values, read
from digitline.base.files import JsonObject

RESULTS = Path(__file__).parent / "results"
WHAT = "What to measure"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every benchmark is told."""

    output: Path | None = flag(
        None, "File of the figures (default: one in benchmarks/results).", group=WHAT
    )


AnyOptions = TypeVar("AnyOptions", bound=CommonOptions)


def benchmark(
    script: str,
    summary: str,
    options: type[AnyOptions],
    run: Callable[[AnyOptions], JsonObject],
    text: Callable[[JsonObject], str],
) -> command.Command[AnyOptions, JsonObject]:
    """The command line of a script, which prints its figures with --json.

    Args:
      script: the name of its file.
      summary: for `--help`.
      options: its options.
      run: measures, and writes the figures.
      text: the figures for a person.
    """
    return command.Command(
        f"benchmarks/{script}",
        summary,
        flag_values(options),
        lambda values, _: read(options, values),
        run,
        text,
        dict,
        program="python",
    )


def dated(packages: Iterable[str], local: Iterable[str] = ()) -> JsonObject:
    """How figures begin: the command, the date, the machine and the versions of packages.

    Args:
      packages: whose versions count.
      local: flags that name folders and files of this machine; the command is shown without.
    """
    local_flags = [f"--{name}" for name in ("json", "data_dir", "output", *local)]
    words = [word for word in sys.argv[1:] if word.partition("=")[0] not in local_flags]
    return {
        "command": " ".join([f"python benchmarks/{Path(sys.argv[0]).name}", *words]),
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
    }


def write(name: str, output: Path | None, figures: JsonObject) -> JsonObject:
    """Writes the figures to `output`, or else to `benchmarks/results/<name>.json`."""
    files.write_json(output or RESULTS / f"{name}.json", figures)
    return figures


def call(of: command.Command, *arguments: str) -> JsonObject:
    """What a command of digitline prints with --json, run in this process."""
    return of.to_json(command.call(of, list(arguments)))

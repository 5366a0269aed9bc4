"""What the benchmarks share: options, command lines, memory, and the files of their figures."""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

from digitline.base import command, files
from digitline.base.command_flags import flag, flag_values, read
from digitline.base.files import JsonObject
from digitline.data import flags

RESULTS = Path(__file__).parent / "results"
WHAT = "What to measure"
# Flags that name folders and files of this machine: results show the command without them.
_LOCAL_FLAGS = ("--json", "--data_dir", "--output", "--runs", "--folder", "--peer_python")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What every benchmark is told."""

    output: Path | None = flag(
        None, "File of the figures (default: one in benchmarks/results).", group=WHAT
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetOptions(CommonOptions):
    """What those are told that read a prepared dataset."""

    data_dir: Path = flags.data_dir(WHAT)


AnyOptions = TypeVar("AnyOptions", bound=CommonOptions)


def benchmark(
    script: str,
    description: str | None,
    options: type[AnyOptions],
    run: Callable[[AnyOptions], JsonObject],
    text: Callable[[JsonObject], str],
) -> command.Command[AnyOptions, JsonObject]:
    """The command line of a script, which prints its figures with --json.

    Args:
      script: its file.
      description: its docstring; `--help` shows it without the indented examples.
      options: its options.
      run: measures, and writes the figures.
      text: the figures for a person.
    """
    paragraphs = (description or "").split("\n\n")
    return command.Command(
        f"benchmarks/{Path(script).name}",
        "\n".join(paragraph for paragraph in paragraphs if not paragraph.startswith(" ")),
        flag_values(options),
        lambda values, _: read(options, values),
        run,
        text,
        dict,
        program="python",
    )


def write(
    name: str, options: CommonOptions, packages: Iterable[str], figures: JsonObject
) -> JsonObject:
    """Writes figures to `options.output`, or else to `benchmarks/results/<name>.json`.

    Returns:
      The figures, after the command, the date, the machine and the versions of packages; figures
      of the same names take their place.
    """
    words = [word for word in sys.argv[1:] if word.partition("=")[0] not in _LOCAL_FLAGS]
    result = {
        "command": " ".join([f"python benchmarks/{Path(sys.argv[0]).name}", *words]),
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        + platform.python_version(),
        "packages": {package: importlib.metadata.version(package) for package in packages},
        **figures,
    }
    files.write_json(options.output or RESULTS / f"{name}.json", result)
    return result


def call(of: command.Command, *arguments: str) -> JsonObject:
    """What a command of digitline prints with --json, run in this process."""
    return of.to_json(command.call(of, list(arguments)))


def resident_mb(process_id: int) -> list[float]:
    """Memory of a process and of each one below it, in MiB; empty where they have ended.

    Memory that several share counts for each.
    """
    sizes = []
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(process_id)
        for process in (first, *first.children(recursive=True)):
            sizes.append(process.memory_info().rss / 2**20)
    return sizes

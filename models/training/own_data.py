"""People's own images, given to `digitline train` as they are: prepared first, then trained on."""

import dataclasses
import shlex
from pathlib import Path

from ...base import command, progress
from ...base.errors import UsageError, UserError
from ...data.preparation.request import Request
from ...data.preparation.source_state import ChangedError
from ...data.prepare import run


def prepare(data: Path, data_dir: Path) -> str:
    """Prepares people's own images unless they are unchanged since; returns the dataset's name.

    Raises:
      UserError: as `digitline prepare` does; where one of its options would help, says how to
        prepare the images with it.
    """
    request = _request(data, data_dir)
    try:
        try:
            return run(request).dataset
        except ChangedError:
            progress.say(f"{data} has changed since it was prepared: preparing it again")
            return run(dataclasses.replace(request, overwrite=True)).dataset
    except UserError as error:
        if error.option is None:
            raise
        # `train` has no such option, or one that means something else.
        raise type(error)(
            f"{error}. --{error.option} is an option of digitline prepare, so prepare the images "
            f"first: {_command_line(request)}; then: {command.program()} train --dataset=NAME "
            f"{shlex.quote(f'--data_dir={data_dir}')}",
            error.details,
        ) from error


def _request(data: Path, data_dir: Path) -> Request:
    if data.is_dir():
        return Request(dataset="image_folder", source_dir=data, data_dir=data_dir)
    kind = data.suffix.lower()
    if kind in (".npz", ".csv"):
        return Request(dataset=kind[1:], source_file=data, data_dir=data_dir)
    raise UsageError(f"--data={data}: expected an .npz file, a .csv file or a folder of pictures")


def _command_line(request: Request) -> str:
    source = "source_file" if request.source_file else "source_dir"
    values = {"dataset": request.dataset, source: request.place, "data_dir": request.data_dir}
    flags = shlex.join(f"--{name}={value}" for name, value in values.items())
    return f"{command.program()} prepare {flags}"

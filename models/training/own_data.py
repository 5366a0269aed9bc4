"""People's own images, given to `digitline train` as they are: prepared first, then trained on."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ...base import command, progress
from ...base.command_flags import changed
from ...base.errors import UserError
from ...base.storage import staging
from ...data.preparation import kinds
from ...data.preparation.own_files import OwnFiles
from ...data.preparation.request import FILE_TABLE, IMAGE_FOLDER, Request
from ...data.preparation.source_state import ChangedError
from ...data.prepare import Prepared, run
from ...data.sources.slices import LARGEST_SQUARE

_OPTIONS = {field.name for field in dataclasses.fields(OwnFiles)}


def are_pictures(data: Path, files: OwnFiles) -> bool:
    """Whether people's own images are picture files, which may be large.

    Raises:
      UserError: they are not images.
    """
    return _request(data, Path(), files).kind in (IMAGE_FOLDER, FILE_TABLE)


def prepare(
    data: Path,
    data_dir: Path,
    files: OwnFiles,
    training: Sequence[str] = (),
    largest_square: int = LARGEST_SQUARE,
) -> Prepared:
    """Prepares people's own images unless they are unchanged since.

    Args:
      data: the images.
      data_dir: of prepared datasets.
      files: how they are read.
      training: the other flags of `train`, to be typed again.
      largest_square: the side of what large pictures become, where no flag says it.

    Raises:
      UserError: as `digitline prepare` does; where one of its options would help that `train`
        does not have, says how to prepare the images with it.
    """
    request = _request(data, data_dir, files)
    if files.image_size is None and request.kind in (IMAGE_FOLDER, FILE_TABLE):
        request = dataclasses.replace(request, largest_square=largest_square)
    try:
        try:
            return run(request)
        except ChangedError as error:
            progress.say(f"{error}: preparing it again")
            return run(dataclasses.replace(request, overwrite=True))
    except UserError as error:
        if error.option is None or error.option in _OPTIONS:
            raise
        # `train` has no such option, or one that means something else.
        train = (f"--dataset={request.prepared_name}", f"--data_dir={data_dir}", *training)
        raise type(error)(
            f"{error}. --{error.option} is an option of digitline prepare, so prepare the images "
            f"first: {_command_line(request, files, error.option)}; then: "
            f"{command.command_line('train', *train)}",
            error.details,
        ) from error


def _request(data: Path, data_dir: Path, files: OwnFiles) -> Request:
    for source in filter(None, (data, files.source_dir)):
        staging.stage(source)
    place = kinds.find(data, files.source_dir)
    options = {name: getattr(files, name) for name in _OPTIONS} | place._asdict()
    return Request(data_dir=data_dir, asked_by="train", **options)


def _command_line(request: Request, files: OwnFiles, option: str) -> str:
    """The same preparation with the option; its value, in capitals, is for the user to name."""
    source = "source_file" if request.source_file else "source_dir"
    value = getattr(request, option)
    return command.command_line(
        "prepare",
        f"--dataset={request.dataset}",
        f"--{source}={request.place}",
        f"--data_dir={request.data_dir}",
        f"--{option}" if isinstance(value, bool) else f"--{option}={option.upper()}",
        *changed(files),
    )

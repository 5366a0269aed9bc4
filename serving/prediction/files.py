"""Picture files to pixels, several at a time, while the model is busy with those before."""

import collections
import concurrent.futures
import dataclasses
import functools
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import PIL.Image

from ...base.errors import UserError
from ...base.pictures import decode
from .pictures import Picture, Wanted

# Pictures that are read ahead of the model.
_AHEAD = 32
# What TensorFlow decodes, as Pillow calls the formats; of BMP only some kinds.
_TENSORFLOW = ("PNG", "JPEG", "MPO", "GIF")
_ORIENTATION, _UPRIGHT = 0x0112, 1


@dataclasses.dataclass(frozen=True)
class PictureFiles:
    """Picture files, a `pictures.Source`."""

    paths: Sequence[Path]

    @property
    def count(self) -> int:
        return len(self.paths)

    def read(self, wanted: Wanted) -> Iterator[Picture | str]:
        load = functools.partial(_load, wanted)
        with concurrent.futures.ThreadPoolExecutor(
            min(len(self.paths), os.cpu_count() or 1)
        ) as pool:
            ahead: collections.deque[concurrent.futures.Future[Picture | str]] = collections.deque()
            try:
                for path in self.paths:
                    ahead.append(pool.submit(load, path))
                    if len(ahead) > _AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)


def _load(wanted: Wanted, path: Path) -> Picture | str:
    try:
        content = path.read_bytes() if wanted.files and path.is_file() else None
        pixels = decode.load(path, wanted.config, content)
        return Picture(str(path), None, pixels, content and _readable(path, content))
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"{path}: {error.strerror}"


def _readable(path: Path, content: bytes) -> bytes:
    """The file as it is, or as PNG and upright where TensorFlow would not read or turn it."""
    with PIL.Image.open(io.BytesIO(content), formats=decode.FORMATS) as picture:
        if picture.format in _TENSORFLOW and picture.getexif().get(_ORIENTATION, 1) == _UPRIGHT:
            return content
    channels = 3 if decode.header(path, content).colour else 1
    file = io.BytesIO()
    decode.read(path, channels, content).save(file, format="PNG")
    return file.getvalue()

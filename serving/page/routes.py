"""The page at `/`, where a person draws a digit: its files, and what it asks beside REST.

Nothing on it comes from another machine, and it may not ask one: the browser is told so by a
content security policy (https://www.w3.org/TR/CSP3/).

  GET  /                                              the page
  GET  /page/models                                   the models, their versions and what is there
  GET  /page/models/NAME/versions/N/model.tflite      the same network for the browser
  GET  /page/models/NAME/versions/N/samples.png       test images, a row for each class
  POST /page/models/NAME/versions/N/picture           a picture file to the pixels of an input
"""

import asyncio
import base64
import contextlib
import hashlib
import ipaddress
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from ...base import export_layout, files, pictures
from ...base.errors import DataError, UserError
from .. import picture
from ..core.inference import Target
from ..core.lifecycle import State
from ..core.manager import Manager
from ..core.servable import Servable
from ..protocol.status import StatusError, invalid
from ..rest import answers
from . import litert_js

_FOLDER = Path(__file__).parent / "web"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript",
          ".wasm": "application/wasm", ".png": "image/png", ".svg": "image/svg+xml",
          ".tflite": "application/octet-stream"}  # fmt: skip
_UINT8 = 4  # Of `tensorflow.DataType`.
_LARGEST_PICTURE = 32 << 20  # Bytes.
_MOST_PIXELS = 50_000_000  # As phones' cameras have; a few hundred MB while it is decoded.
_READ_S = 30.0  # Seconds that a picture may take to come.
_LARGEST_VERSION = 2**63 - 1
# In manifests: of one export, the SavedModel's and the TFLite file's are the same.
_SAME = ("model_name", "version", "created", "run")
ACTIVATIONS = "activations"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def image_shape(servable: Servable) -> tuple[int, int, int] | None:
    """(height, width, channels) of a servable that takes raw pixels, [N, H, W, C]; else None."""
    signature = servable.signatures.get(export_layout.DEFAULT_SIGNATURE)
    if signature is None or len(signature.inputs) != 1:
        return None
    (info,) = signature.inputs.values()
    if info.dtype != _UINT8 or info.shape is None or len(info.shape) != 4:
        return None
    _, height, width, channels = info.shape
    if not height or not width or channels not in (1, 3):
        return None
    return height, width, channels


def routes(manager: Manager, litert: Path, local: bool) -> list[web.RouteDef]:
    """The page's addresses.

    Args:
      manager: of the models.
      litert: folder of LiteRT.js, as `digitline litertjs` makes it; may be missing.
      local: whether the server listens on a loopback address: then it is asked by an address or
        as localhost, and by another name only where that was made to lead here (DNS rebinding).
    """
    pages = _Pages(manager, litert)
    version = "/page/models/{name}/versions/{version}"

    def guarded(handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if local and not _is_local(request.host):
                return answers.error(403, "this server is asked by its address, or as localhost")
            if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
                return answers.error(403, "other pages may not ask this one's addresses")
            return await handler(request)

        return handle

    return [
        web.get("/", pages.index),
        web.get("/page/models", guarded(pages.models)),
        web.get(f"{version}/model.tflite", guarded(pages.tflite)),
        web.get(f"{version}/samples.png", guarded(pages.samples)),
        web.post(f"{version}/picture", guarded(pages.picture)),
        web.get("/page/litertjs/{file:.+}", pages.litert),
        web.get("/page/{file}", pages.file),
    ]


def _is_local(host: str) -> bool:
    """Whether a Host header names an IP address, or localhost."""
    name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


class _Pages:
    def __init__(self, manager: Manager, litert: Path):
        self._manager = manager
        self._litert = litert
        # Large pictures take much memory: one after the other.
        self._decoding = asyncio.Semaphore(1)
        self._files = {each.name: each for each in _FOLDER.iterdir() if each.suffix in _TYPES}
        self._policy = _policy(self._files["index.html"].read_text(encoding="utf-8"))

    async def index(self, request: web.Request) -> web.StreamResponse:
        del request
        return self._sent(self._files["index.html"])

    async def file(self, request: web.Request) -> web.StreamResponse:
        path = self._files.get(request.match_info["file"])
        return self._sent(path) if path else _missing("the page has no such file")

    async def litert(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        path = self._litert / name
        if name not in litert_js.FILES or not path.is_file():
            return _missing("LiteRT.js is not here: digitline litertjs fetches it")
        return self._sent(path)

    async def models(self, request: web.Request) -> web.Response:
        del request
        found = await asyncio.to_thread(self._models)
        return web.json_response(found, headers={"Cache-Control": "no-store"})

    async def tflite(self, request: web.Request) -> web.StreamResponse:
        folder = self._folder(request.match_info)
        path = await asyncio.to_thread(tflite_of, folder) if folder else None
        return self._sent(path) if path else _missing("this version has no TFLite file")

    async def samples(self, request: web.Request) -> web.StreamResponse:
        folder = self._folder(request.match_info)
        path = folder / export_layout.EXTRA / export_layout.SAMPLES_SHEET if folder else None
        if path is None or not path.is_file():
            return _missing("this version has no test images")
        return self._sent(path)

    async def picture(self, request: web.Request) -> web.Response:
        """A picture file to uint8 [H, W, C], as `digitline predict` makes it."""
        try:
            content = await asyncio.wait_for(_read(request), _READ_S)
        except asyncio.TimeoutError:
            return answers.error(408, "the picture takes too long to come")
        if content is None:
            response = answers.error(413, f"a picture file may have {_LARGEST_PICTURE >> 20} MB")
            response.force_close()  # What is left of it is not worth reading.
            return response
        try:
            target = _target(request.match_info)
            with self._manager.lease(target) as lease:
                shape, folder = image_shape(lease.servable), lease.folder
        except StatusError as error:
            return answers.error(404, error.message)
        if shape is None:
            return answers.error(400, "this model takes no images")

        def load() -> bytes:
            name = Path("the picture")
            _require_size(name, content)
            return picture.load(name, shape, _labels(folder), content).tobytes()

        try:
            async with self._decoding:
                pixels = await asyncio.to_thread(load)
        except DataError as error:
            return answers.error(400, str(error))
        return web.Response(body=pixels, content_type="application/octet-stream")

    def _folder(self, names: Mapping[str, str]) -> Path | None:
        try:
            with self._manager.lease(_target(names)) as lease:
                return lease.folder
        except StatusError:
            return None

    def _models(self) -> dict[str, Any]:
        models = []
        for name in self._manager.names():
            versions = []
            with contextlib.suppress(StatusError):  # Nothing of it is there yet.
                for each in self._manager.status(Target(name)):
                    if each.state is State.AVAILABLE:
                        with contextlib.suppress(StatusError):  # It has just gone.
                            versions.append(self._version(name, each.version))
            models.append({"name": name, "versions": versions})
        return {"models": models, "litertjs": litert_js.is_whole(self._litert)}

    def _version(self, name: str, number: int) -> dict[str, Any]:
        target = Target(name, number)
        with self._manager.lease(target) as lease:
            shape, folder = image_shape(lease.servable), lease.folder
            signatures = set(lease.servable.signatures)
        labels = _labels(folder)
        return {
            "version": str(number),  # JavaScript's numbers are too short for some.
            "kind": "TFLite" if (folder / export_layout.TFLITE_FILE).is_file() else "SavedModel",
            "labels": labels,
            "image_shape": shape,
            "is_of_digits": shape is not None and picture.is_of_digits(shape, labels),
            "activations": ACTIVATIONS in signatures,
            "tflite": tflite_of(folder) is not None,
            "samples": _json(folder / export_layout.EXTRA / export_layout.SAMPLES_FACTS),
        }

    def _sent(self, path: Path) -> web.FileResponse:
        headers = {
            "Content-Type": _TYPES[path.suffix],
            "Content-Security-Policy": self._policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",  # Asked for anew, and sent if it has changed.
        }
        return web.FileResponse(path, headers=headers)


def _target(names: Mapping[str, str]) -> Target:
    if not re.fullmatch(r"[0-9]{1,19}", names["version"]):
        raise invalid("a version is a number")
    return Target(names["name"], min(int(names["version"]), _LARGEST_VERSION))


async def _read(request: web.Request) -> bytes | None:
    """The body; None if it is too large."""
    content = bytearray()
    async for part in request.content.iter_any():
        content += part
        if len(content) > _LARGEST_PICTURE:
            return None
    return bytes(content)


def _require_size(name: Path, content: bytes) -> None:
    """Refuses a small file of a picture that fills the memory.

    Raises:
      DataError: it has too many pixels, or is not a picture.
    """
    height, width = pictures.header(name, content).size
    if width * height > _MOST_PIXELS:
        raise DataError(f"{name}: {width}x{height} pixels, over {_MOST_PIXELS // 10**6} million")


def tflite_of(folder: Path) -> Path | None:
    """The TFLite file of the same network as a version, if there is one.

    It is in the folder itself, or where `digitline export` puts it beside the SavedModel; then
    both manifests must be of one export.

    Args:
      folder: of the version.
    """
    own = folder / export_layout.TFLITE_FILE
    if own.is_file():
        return own
    folder = folder.absolute()
    if len(folder.parents) < 3 or folder.parents[1].name != export_layout.SAVED_MODEL:
        return None
    beside = folder.parents[2] / export_layout.TFLITE / folder.parent.name / folder.name
    path = beside / export_layout.TFLITE_FILE
    if not path.is_file():
        return None
    here, there = (_json(export_layout.manifest_of(version)) for version in (folder, beside))
    same = here and there and all(here.get(each) == there.get(each) for each in _SAME)
    return path if same else None


def _labels(folder: Path) -> tuple[str, ...]:
    path = export_layout.labels_of(folder)
    if not path.is_file():
        return ()
    return tuple(path.read_text(encoding="utf-8", errors="replace").splitlines())


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = files.read_json(path)
    except (OSError, UserError):
        return None
    return found if isinstance(found, dict) else None


def _policy(page: str) -> str:
    """Allows this origin alone; of scripts inside the page, the import map, by its digest."""
    inside = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inside]
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *(f"'sha256-{each}'" for each in digests)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _missing(why: str) -> web.Response:
    return answers.error(404, why)

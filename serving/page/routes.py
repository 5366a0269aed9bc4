"""The page at `/`, where a person draws a digit: its files, and what it asks beside REST.

GET  /                                              the page
GET  /page/models                                   the models, their versions and what is there
GET  /page/models/NAME/versions/N/model.tflite      the same network for the browser
GET  /page/models/NAME/versions/N/samples.png       test images, a row for each class
POST /page/models/NAME/versions/N/picture           a picture file to the pixels of an input
"""

import asyncio
import concurrent.futures
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from ...base.errors import UserError
from ...base.pictures import decode
from ..bounds.budget import Hold
from ..bounds.limits import Effort
from ..bounds.shared import Shared
from ..core.inference import Target
from ..core.served import Served
from ..description import describe_version
from ..prediction.answers import WORDS, Answer, seen_in
from ..protocol.status import StatusError, invalid
from ..rest import answers
from ..rest.requests import read_body
from . import litert_js, versions
from .guard import guarded, security_headers

_FOLDER = Path(__file__).parent / "web"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript",
          ".wasm": "application/wasm", ".png": "image/png", ".svg": "image/svg+xml",
          ".tflite": "application/octet-stream"}  # fmt: skip
_LARGEST_PICTURE = 32 << 20  # Bytes.
_READ_S = 30.0  # Seconds that a picture may take to come.
_LARGEST_VERSION = 2**63 - 1
Result = TypeVar("Result")
# The header of what is seen in a picture: the value of an `Answer`.
SEEN = "X-Digitline-Seen"


def routes(manager: Served, litert: Path, shared: Shared, local: bool) -> list[web.RouteDef]:
    """The page's addresses.

    Args:
      manager: of the models.
      litert: folder that `digitline litertjs` makes; may be missing.
      shared: what requests share.
      local: whether the server listens on a loopback address.
    """
    page = _Page(manager, litert, shared)
    version = "/page/models/{name}/versions/{version}"
    return [
        web.get("/", page.index),
        web.get("/page/models", guarded(page.models, local)),
        web.get(f"{version}/model.tflite", guarded(page.tflite, local)),
        web.get(f"{version}/samples.png", guarded(page.samples, local)),
        web.post(f"{version}/picture", guarded(page.picture, local)),
        web.get("/page/litertjs/{file:.+}", page.litert),
        web.get("/page/{file}", page.file),
    ]


class _Page:
    def __init__(self, manager: Served, litert: Path, shared: Shared):
        self._manager = manager
        self._litert = litert
        # Large pictures take much memory: one after the other.
        self._decoding = asyncio.Semaphore(1)
        self._shared = shared
        self._pool = concurrent.futures.ThreadPoolExecutor(4, "page")
        self._files = {path.name: path for path in _FOLDER.iterdir() if path.suffix in _TYPES}
        self._headers = {
            **security_headers(self._files["index.html"].read_text(encoding="utf-8")),
            "Cache-Control": "no-cache",  # Asked for again, and sent if it has changed.
        }

    async def index(self, _: web.Request) -> web.StreamResponse:
        return await self._sent(self._files["index.html"])

    async def file(self, request: web.Request) -> web.StreamResponse:
        return await self._sent(
            self._files.get(request.match_info["file"]), "the page has no such file"
        )

    async def litert(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        path = self._litert / name if name in litert_js.FILES else None
        return await self._sent(path, "LiteRT.js is not here: digitline litertjs fetches it")

    async def models(self, _: web.Request) -> web.Response:
        models = await self._aside(versions.models, self._manager)
        answer = {
            "models": [dataclasses.asdict(model) for model in models],
            "words": {answer.value: words for answer, words in WORDS.items()},
            "litertjs": litert_js.is_whole(self._litert),
        }
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    async def tflite(self, request: web.Request) -> web.StreamResponse:
        folder = self._folder(request)
        path = await self._aside(versions.tflite_of, folder) if folder else None
        return await self._sent(path, "this version has no TFLite file")

    async def samples(self, request: web.Request) -> web.StreamResponse:
        folder = self._folder(request)
        path = await self._aside(versions.sheet_of, folder) if folder else None
        return await self._sent(path, "this version has no test images")

    async def picture(self, request: web.Request) -> web.Response:
        """A picture file to uint8 [H, W, C], as `digitline predict` makes it.

        The header `SEEN` says whether it is blank, or holds several digits.
        """
        hold = Hold(self._shared.budget)
        try:
            return await self._pixels(request, hold)
        except StatusError as error:
            response = answers.error(error.http_status, error.message)
            if not request.content.is_eof():
                response.force_close()  # What is left of it is not worth reading.
            return response
        except UserError as error:
            return answers.error(400, str(error))
        finally:
            hold.release()

    async def _pixels(self, request: web.Request, hold: Hold) -> web.Response:
        with self._manager.lease(_target(request)) as lease:
            shape, folder = lease.servable.image_shape, lease.folder
        if shape is None:
            raise invalid("this model takes no images")
        effort = Effort(_READ_S)
        content = await read_body(request, _LARGEST_PICTURE, hold, effort, self._shared.pace)
        async with self._decoding:
            pixels, seen = await self._aside(_decoded, content, shape, folder)
        headers = {SEEN: seen.value}
        return web.Response(body=pixels, content_type="application/octet-stream", headers=headers)

    async def _aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Calls what reads the disk, on threads that keep no other request waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def _folder(self, request: web.Request) -> Path | None:
        try:
            with self._manager.lease(_target(request)) as lease:
                return lease.folder
        except StatusError:
            return None

    async def _sent(self, path: Path | None, missing: str = "") -> web.StreamResponse:
        """A file; an error with the words of `missing` where there is none."""
        if path is None or not await self._aside(path.is_file):
            return answers.error(404, missing)
        return web.FileResponse(path, headers=self._headers | {"Content-Type": _TYPES[path.suffix]})


def _target(request: web.Request) -> Target:
    name, version = request.match_info["name"], request.match_info["version"]
    if not re.fullmatch(r"[0-9]{1,19}", version):
        raise invalid("a version is a number")
    return Target(name, min(int(version), _LARGEST_VERSION))


def _decoded(content: bytes, shape: tuple[int, int, int], folder: Path) -> tuple[bytes, Answer]:
    """The pixels of a picture file for the model of a version's folder, and what is seen in them.

    Raises:
      UserError: it is not a picture, or too large a one, or the version's files are damaged.
    """
    config = describe_version(folder, shape).pictures
    pixels = decode.load(Path("the picture"), config, content)
    return pixels.tobytes(), seen_in(pixels, config)

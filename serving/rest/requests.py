"""What an HTTP request asks for: its path and its body."""

import asyncio
import dataclasses
import ipaddress
import re
import urllib.parse

import grpc
from aiohttp import StreamReader, web

from ..bounds.budget import SMALL, Hold
from ..bounds.clients import Interruption, Pace
from ..bounds.limits import Effort
from ..core.inference import Target
from ..protocol.described import DESCRIPTION
from ..protocol.status import StatusError, invalid
from .reading import too_large

# As in TF Serving, but for our description; and a name ends before a query.
_VERSION = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:?]+)))?"
VERBS = ("classify", "regress", "predict")
_PATHS = {
    method: re.compile(pattern, re.IGNORECASE | re.ASCII)
    for method, pattern in {
        "POST": rf"/v1/models/([^/:?]+){_VERSION}:({'|'.join(VERBS)})",
        "GET": rf"/v1/models(?:/([^/:?]+))?{_VERSION}(?:/(metadata|{DESCRIPTION}))?",
    }.items()
}
_API = re.compile(r"/v1(/|$)", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_STALLED_S = 10
_PACED = 64 << 10  # Bytes of a body; the rest comes at the pace of all uploads.
# Where others wait for memory, so many bytes of a large body must come in so many seconds.
_STRETCH, _PATIENCE_S = 1 << 20, 2.0
# An address in brackets, or another or a name; and a port.
_HOST = re.compile(r"(?:\[([^\]]+)\]|([^:@/\[\]]*))(?::[0-9]*)?")
_LARGEST_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Call:
    """What a path asks for.

    Attributes:
      method: predict, classify, regress, status, metadata or description; or models, which has no
        target: the list of them.
      target: which model.
    """

    method: str
    target: Target


def path_of(request: web.BaseRequest) -> str:
    """The path as it came, with the query if there is one: TF Serving matches both as one."""
    raw = request.raw_path
    origin = _ORIGIN.match(raw)  # A proxy's form.
    path = raw[origin.end() :] or "/" if origin else raw
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_call(method: str, path: str) -> Call:
    """What a request asks for.

    Raises:
      StatusError: INVALID_ARGUMENT: there is no such call; NOT_FOUND: it is not a path of the
        model API at all.
    """
    if not _API.match(path):
        raise StatusError(grpc.StatusCode.NOT_FOUND, f"Not found: {method} {path}")
    pattern = _PATHS.get(method)
    match = pattern and pattern.fullmatch(path)
    if not match:
        raise invalid(f"Malformed request: {method} {path}")
    name, version, label, verb = match.groups()
    number = None
    if version is not None:
        digits = version.lstrip("0") or "0"
        number = int(digits[:20])  # Python refuses numbers of thousands of digits.
        if number > _LARGEST_VERSION:
            raise invalid(f"Failed to convert version: {version} to numeric.")
    if name is None:
        if version or label or verb:
            raise invalid("Missing model name in request.")
        return Call("models", Target(""))
    label = None if label is None else urllib.parse.unquote(label)
    target = Target(urllib.parse.unquote(name), number, label)
    return Call((verb or "status").lower(), target)


async def read_body(
    request: web.Request, limit: int, hold: Hold, effort: Effort, pace: Pace
) -> bytes:
    """The body as it comes, perhaps packed.

    Args:
      request: of an application that does not unpack by itself.
      limit: of its bytes.
      hold: grows with what has come.
      effort: how long it may wait for that.
      pace: of large bodies.

    Raises:
      StatusError: it is larger (413), does not come in time (408, 504), comes too slowly while
        others wait for memory (429), or the client goes before it has come; or as of `hold`.
    """
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    try:
        if not request.content.is_eof():
            return await _arriving(request.content, limit, hold, effort, pace)
        body = request.content.read_nowait()
        if len(body) > limit:
            raise too_large(limit)
        await hold.resize(len(body), effort)
        return body
    except ConnectionError:
        raise StatusError(grpc.StatusCode.CANCELLED, "The client has gone.") from None
    except web.RequestPayloadError:
        raise invalid("The request's body is damaged.") from None


async def _arriving(
    content: StreamReader, limit: int, hold: Hold, effort: Effort, pace: Pace
) -> bytes:
    chunks: list[bytes] = []
    size = seen = 0
    interruption = Interruption()
    timer = _Timer(interruption, effort)
    try:
        with interruption:
            while chunk := await content.readany():
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                chunks.append(chunk)
                timer.moved()
                if size > SMALL and (not seen or size > seen + _STRETCH):
                    seen = size
                    hold.slow(lambda: interruption(_too_slow()), _PATIENCE_S)
                if size > _PACED:
                    await pace.turn()
                await hold.resize(size, effort)
                effort.check()
        return b"".join(chunks)
    finally:
        timer.stop()
        hold.slow(None)
        chunks.clear()  # The traceback of an error may hold this frame for long.


class _Timer:
    """Interrupts who waits for a body that does not come on, or whose time is over."""

    def __init__(self, interruption: Interruption, effort: Effort):
        self._interruption, self._effort = interruption, effort
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._look()

    def moved(self) -> None:
        """Some of it has come."""
        self._last = self._loop.time()

    def _look(self) -> None:
        quiet, left = self._loop.time() - self._last, self._effort.left()
        if left == 0:
            self._interruption(self._effort.late())
        elif quiet >= _STALLED_S:
            self._interruption(_stalled())
        else:
            seconds = _STALLED_S - quiet
            seconds = seconds if left is None else min(seconds, left)
            self._handle = self._loop.call_later(seconds, self._look)

    def stop(self) -> None:
        self._handle.cancel()


def _stalled() -> StatusError:
    return StatusError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        f"Nothing came of the request's body for {_STALLED_S} seconds.",
        http_status=408,
    )


def _too_slow() -> StatusError:
    return StatusError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "The request's body came too slowly while others waited for memory; try again",
    )


def is_local(request: web.BaseRequest) -> bool:
    """Whether a request asks a machine by an IP address, or as localhost.

    A web page of another name that was made to lead here (DNS rebinding) asks by that name.
    Only programs leave the name out.
    """
    host = request.headers.get("Host")
    if host is None:
        return True
    match = _HOST.fullmatch(host)
    name = "" if match is None else (match[1] or match[2]).lower().removesuffix(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True


def is_packed(request: web.BaseRequest) -> bool:
    """Whether the body is packed with gzip."""
    return "gzip" in request.headers.get("Content-Encoding", "").lower()

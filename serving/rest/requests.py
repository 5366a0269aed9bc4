"""What an HTTP request asks for: its path and its body."""

import asyncio
import dataclasses
import ipaddress
import re
import urllib.parse

import grpc
from aiohttp import web

from ..bounds.budget import Hold
from ..bounds.limits import Effort
from ..core.inference import Target
from ..protocol.described import DESCRIPTION
from ..protocol.status import StatusError, invalid
from .reading import too_large

# As in TF Serving, but for our description; and a name ends before a query.
_VERSION = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:?]+)))?"
_PATHS = {
    method: re.compile(pattern, re.IGNORECASE | re.ASCII)
    for method, pattern in {
        "POST": rf"/v1/models/([^/:?]+){_VERSION}:(classify|regress|predict)",
        "GET": rf"/v1/models(?:/([^/:?]+))?{_VERSION}(?:/(metadata|{DESCRIPTION}))?",
    }.items()
}
_API = re.compile(r"/v1(/|$)", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_STALLED_S = 10
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


async def read_body(request: web.Request, limit: int, hold: Hold, effort: Effort) -> bytes:
    """The body as it comes, perhaps packed.

    Args:
      request: of an application that does not unpack by itself.
      limit: of its bytes.
      hold: grows with what has come.
      effort: how long it may wait for that.

    Raises:
      StatusError: it is larger (413), or the client goes before it has come; or as of `hold`.
    """
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        while chunk := await _chunk(request):
            if len(body) + len(chunk) > limit:
                raise too_large(limit)
            await hold.resize(len(body) + len(chunk), effort)
            body += chunk
            effort.check()
    except ConnectionError:
        raise StatusError(grpc.StatusCode.CANCELLED, "The client has gone.") from None
    except web.RequestPayloadError:
        raise invalid("The request's body is damaged.") from None
    return bytes(body)


async def _chunk(request: web.Request) -> bytes:
    """What comes next of a body."""
    if request.content.is_eof():
        return await request.content.readany()
    try:
        return await asyncio.wait_for(request.content.readany(), _STALLED_S)
    except asyncio.TimeoutError:
        raise StatusError(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            f"Nothing came of the request's body for {_STALLED_S} seconds.",
            http_status=408,
        ) from None


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

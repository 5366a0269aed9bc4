"""What an HTTP request asks for: its path, its body, what its client accepts."""

import dataclasses
import re
import urllib.parse
import zlib

import grpc
from aiohttp import web

from ..core.inference import Target
from ..protocol.status import StatusError, invalid
from .limits import Effort, Hold

# HTTP's numbers for gRPC's codes, as TF Serving maps them.
HTTP_STATUS = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}

# TF Serving's own expressions; but a query is no part of a name.
_VERSION = r"(?:(?:/versions/(\d+))|(?:/labels/([^/:?]+)))?"
_POST = re.compile(
    rf"/v1/models/([^/:?]+){_VERSION}:(classify|regress|predict)", re.IGNORECASE | re.ASCII
)
_GET = re.compile(rf"/v1/models(?:/([^/:?]+))?{_VERSION}(?:/(metadata))?", re.IGNORECASE | re.ASCII)
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_API = re.compile(r"/v1(/|$)", re.IGNORECASE)
_GZIP = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?P<quality>[0-9.]+)\s*)?(?:,|$)", re.I)

_LARGEST_VERSION = 2**63 - 1
_PIECE = 64 << 10  # Bytes that are unpacked at once, or to which.


class RefusedError(StatusError):
    """A request that is refused as HTTP, whatever it asks of a model.

    Attributes:
      http_status: the answer's status, which no gRPC code maps to.
    """

    def __init__(self, http_status: int, code: grpc.StatusCode, message: str):
        super().__init__(code, message)
        self.http_status = http_status


@dataclasses.dataclass(frozen=True)
class Call:
    """What a path asks for.

    Attributes:
      method: predict, classify, regress, status or metadata.
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
      StatusError: INVALID_ARGUMENT: nothing that there is; `RefusedError` as 404: it is no path
        of the model API at all.
    """
    if not _API.match(path):
        raise RefusedError(404, grpc.StatusCode.NOT_FOUND, f"Not found: {method} {path}")
    expression = {"POST": _POST, "GET": _GET}.get(method)
    match = expression.fullmatch(path) if expression else None
    if match is None:
        raise invalid(f"Malformed request: {method} {path}")
    name, version, label, what = match.groups()
    number = None
    if version is not None:
        digits = version.lstrip("0") or "0"
        number = int(digits[:20])  # Python refuses numbers of thousands of digits.
        if number > _LARGEST_VERSION:
            raise invalid(f"Failed to convert version: {version} to numeric.")
    if name is None:
        raise invalid("Missing model name in request.")
    label = None if label is None else urllib.parse.unquote(label)
    target = Target(urllib.parse.unquote(name), number, label)
    return Call((what or "status").lower(), target)


async def read_body(request: web.Request, limit: int, hold: Hold) -> bytes:
    """The body as it comes, perhaps packed.

    Args:
      request: of an application that does not unpack by itself.
      limit: of its bytes.
      hold: grows with what has come.

    Raises:
      StatusError: it is larger (`RefusedError` as 413), or the client goes before it has
        come; or as of `hold`.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        while chunk := await request.content.readany():
            if len(body) + len(chunk) > limit:
                raise _too_large(limit)
            hold.resize(len(body) + len(chunk))
            body += chunk
    except ConnectionError:
        raise StatusError(grpc.StatusCode.CANCELLED, "The client has gone.") from None
    except web.RequestPayloadError:
        raise invalid("The request's body is damaged.") from None
    return bytes(body)


def is_packed(request: web.BaseRequest) -> bool:
    """Whether the body is packed with gzip."""
    return "gzip" in request.headers.get("Content-Encoding", "").lower()


def unpack(body: bytes, limit: int, hold: Hold, effort: Effort) -> bytes:
    """A body that is packed with gzip, unpacked.

    Args:
      body: packed.
      limit: of the bytes that it becomes.
      hold: grows with them.
      effort: what it may take.

    Raises:
      StatusError: there are more (`RefusedError` as 413), or it is no whole gzip stream;
        or as of `hold` and `effort`.
      ElsewhereError: of `effort`.
    """
    stream = zlib.decompressobj(wbits=31)  # With gzip's header.
    pieces, size, at, rest = [], 0, 0, b""
    more = True  # The stream may hold back what it has not given yet.
    while not stream.eof and (more or at < len(body)):
        if not rest:
            rest = body[at : at + _PIECE]
            at += len(rest)
        try:
            piece = stream.decompress(rest, _PIECE)
        except zlib.error:
            raise invalid("Failed to uncompress the gzipped body") from None
        rest = stream.unconsumed_tail
        more = bool(rest) or len(piece) == _PIECE
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        effort.tick(1 + (len(piece) >> 7))
        hold.resize(len(body) + size)
    if not stream.eof or stream.unused_data or at < len(body):
        raise invalid("Failed to uncompress the gzipped body")
    return b"".join(pieces)


def accepts_gzip(request: web.BaseRequest) -> bool:
    """Whether the client can unpack an answer."""
    found = _GZIP.search(request.headers.get("Accept-Encoding", ""))
    if not found:
        return False
    quality = found["quality"]
    return quality is None or bool(quality.strip("0."))


def _too_large(limit: int) -> RefusedError:
    return RefusedError(
        413,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"The request's body is larger than {limit} bytes.",
    )

"""What goes wrong over HTTP, as gRPC's status codes."""

import errno
import http.client
import json
import os
import ssl

from ...base.errors import UserError
from .address import Address, Tls
from .calls import CallError

HEADERS = {"Content-Type": "application/json"}

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def checked(status: int, content: bytes) -> bytes:
    """The content of an answer that is not an error.

    Raises:
      CallError: it is one.
    """
    if status == 200:
        return content
    try:
        message = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):  # Not a model server's words, but a proxy's.
        message = content[:200].decode(errors="replace").strip() or "no more is said"
    if status in _CODES:
        raise CallError(_CODES[status], message, busy=status == 429)
    raise CallError("UNKNOWN", f"HTTP status {status}: {message}")


def call_error(error: BaseException, lost: bool) -> CallError:
    """What went wrong below HTTP, or before it; `lost` where the request had been sent."""
    # aiohttp wraps the system's errors.
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    text = str(inner) or type(inner).__name__
    if f"Errno {errno.ECONNREFUSED}]" in text:  # asyncio has words of its own.
        text = os.strerror(errno.ECONNREFUSED)
    if isinstance(inner, ssl.SSLError):
        return CallError("UNAUTHENTICATED", f"the TLS handshake failed ({text})")
    not_http = isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError)
    if not_http or type(error).__name__ == "ClientResponseError":
        return CallError("INTERNAL", f"it does not speak HTTP; grpc://…? ({text})")
    if lost:
        text = f"the connection broke before the answer was whole ({text})"
    return CallError("UNAVAILABLE", text, lost)


def tls_context(address: Address, tls: Tls) -> ssl.SSLContext | None:
    """How a secure connection is made; None for one that is not.

    Raises:
      UserError: the files hold no certificates.
    """
    if not address.secure:
        return None
    ca, cert, _ = tls.read()  # What is wrong with the files is said here.
    try:
        context = ssl.create_default_context(cadata=None if ca is None else ca.decode())
        if cert is not None and tls.cert is not None:
            context.load_cert_chain(tls.cert, tls.key)
    except (ssl.SSLError, ValueError) as error:
        raise UserError(f"{tls.ca}, {tls.cert}, {tls.key}: no certificates: {error}") from None
    return context

"""Who may load what: the page asks no other machine, and other pages do not get its files."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..rest import answers
from ..rest.requests import is_local

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def guarded(handler: Handler, local: bool) -> Handler:
    """A handler that answers only this server's own page.

    Args:
      handler: of the address.
      local: whether the server listens on a loopback address: then it is asked by an address or
        as localhost, and by another name only where that was made to lead here (DNS rebinding).
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        if local and not is_local(request):
            return answers.error(403, "ask this server by its address, or as localhost")
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return answers.error(403, "other pages may not ask this one's addresses")
        return await handler(request)

    return handle


def security_headers(page: str) -> dict[str, str]:
    """The headers of the page and its files.

    The content security policy (https://www.w3.org/TR/CSP3/) allows this origin only, and of
    scripts inside the page the import map, by its digest.

    Args:
      page: its HTML.
    """
    scripts = ["'self'", "'wasm-unsafe-eval'"]
    for script in re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        scripts.append(f"'sha256-{digest}'")
    policy = (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src 'self'; "
        "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

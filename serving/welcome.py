"""What the server says when it is ready: what is served where, and how to call it."""

import contextlib
import json
import shlex
import urllib.parse

from ..base.command import command_line
from ..base.errors import printable
from .core.inference import Target
from .core.servable import PREDICT_METHOD, Servable
from .core.served import Served
from .flags import ServeOptions
from .protocol.models import State
from .protocol.status import StatusError
from .protocol.tensors import STRING


def lines(options: ServeOptions, manager: Served) -> list[str]:
    """The lines, from the flags and the models that are loaded."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    # Where a client of this machine finds it.
    near = "127.0.0.1" if options.host in ("0.0.0.0", "::") else host  # noqa: S104 (asks, binds nothing)
    said = []
    if options.port:
        tls = " (TLS)" if options.ssl_config_file else ""
        said.append(f"gRPC at {host}:{options.port}{tls}")
    if options.grpc_socket_path:
        said.append(f"gRPC at unix:{options.grpc_socket_path}")
    if options.rest_api_port:
        said.append(f"REST at http://{host}:{options.rest_api_port}")
    if options.has_page:
        said.append(f"draw a digit at http://{near}:{options.rest_api_port}/")
    calls: list[str] = []
    for name in manager.names():
        numbers = _available(manager, name)
        if not numbers:
            said.append(f"model {name}: no version answers yet")
            continue
        said.append(f"model {name}: version {', '.join(map(str, numbers))}")
        if not calls:
            with contextlib.suppress(StatusError), manager.lease(Target(name)) as lease:
                calls = _calls(options, near, name, lease.servable)
    return list(map(printable, [*said, *(["try:"] if calls else []), *calls]))


def _available(manager: Served, name: str) -> list[int]:
    with contextlib.suppress(StatusError):
        versions = manager.status(Target(name))
        return [version.version for version in versions if version.state is State.AVAILABLE]
    return []


def _calls(options: ServeOptions, host: str, name: str, servable: Servable) -> list[str]:
    """Commands that work as they are, but for the picture."""
    calls = []
    if options.rest_api_port:
        quoted = urllib.parse.quote(name, safe="", errors="surrogateescape")
        url = f"http://{host}:{options.rest_api_port}/v1/models/{quoted}"
        calls.append(f"  curl {shlex.quote(url)}")
        for signature_name, signature in servable.signatures.items():
            types = [info.dtype for info in signature.inputs.values()]
            if signature.method == PREDICT_METHOD and types == [STRING]:
                named = json.dumps(signature_name)
                body = shlex.quote(f'{{"signature_name": {named}, "instances": [{{"b64": "')
                calls.append(
                    f"  printf %s {body}$(base64 < picture.png | tr -d '\\n')'\"}}]}}' | "
                    f"curl -d @- {shlex.quote(url + ':predict')}"
                )
                break
    if options.port and not options.ssl_config_file and servable.image_shape:
        server = f"grpc://{host}:{options.port}"
        words = (f"--server={server}", f"--model_name={name}", "picture.png")
        calls.append(f"  {command_line('predict', *words)}")
    return calls

"""What the server says when it is ready: what is served where, and how to call it."""

import contextlib
import shlex
from typing import Any

from ..base.command import program
from . import settings
from .core.inference import Target
from .core.manager import Manager, State
from .core.servable import PREDICT_METHOD, Servable
from .page import routes as page
from .protocol.status import StatusError

_STRING = 7  # Of `tensorflow.DataType`.


def lines(values: Any, manager: Manager) -> list[str]:
    """The lines, from the flags and the models that are loaded."""
    host = "127.0.0.1" if values.host in ("0.0.0.0", "::") else values.host
    host, stated = (f"[{each}]" if ":" in each else each for each in (host, values.host))
    said = []
    if values.port:
        tls = " (TLS)" if values.ssl_config_file else ""
        said.append(f"gRPC at {stated}:{values.port}{tls}")
    if values.grpc_socket_path:
        said.append(f"gRPC at unix:{values.grpc_socket_path}")
    if values.rest_api_port:
        said.append(f"REST at http://{stated}:{values.rest_api_port}")
    if settings.page(values):
        said.append(f"draw a digit at http://{host}:{values.rest_api_port}/")
    called = []
    for name in manager.names():
        numbers = _available(manager, name)
        if not numbers:
            said.append(f"model {name}: no version answers yet")
            continue
        said.append(f"model {name}: version {', '.join(map(str, numbers))}")
        if not called:
            with contextlib.suppress(StatusError):  # It may have gone since.
                called = _calls(values, host, manager, name)
    return [*said, *(["try:"] if called else []), *called]


def _available(manager: Manager, name: str) -> list[int]:
    try:
        found = manager.status(Target(name))
    except StatusError:
        return []
    return [each.version for each in found if each.state is State.AVAILABLE]


def _calls(values: Any, host: str, manager: Manager, name: str) -> list[str]:
    """Commands that work as they are, but for the picture."""
    calls = []
    with manager.lease(Target(name)) as lease:
        servable: Servable = lease.servable
        takes_files = [
            each
            for each, signature in servable.signatures.items()
            if signature.method == PREDICT_METHOD
            and [info.dtype for info in signature.inputs.values()] == [_STRING]
        ]
    if values.rest_api_port:
        url = f"http://{host}:{values.rest_api_port}/v1/models/{name}"
        calls.append(f"  curl {shlex.quote(url)}")
        if takes_files:
            body = f'{{"signature_name": "{takes_files[0]}", "instances": [{{"b64": "'
            calls.append(
                f"  echo '{body}'$(base64 < picture.png | tr -d '\\n')'\"}}]}}' | "
                f"curl -d @- {shlex.quote(url + ':predict')}"
            )
    if values.port and not values.ssl_config_file and page.image_shape(servable):
        server = f"grpc://{host}:{values.port}"
        calls.append(
            f"  {program()} predict --server={server} --model_name={shlex.quote(name)} picture.png"
        )
    return calls

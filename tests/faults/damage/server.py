"""A server that answers a few questions and ends: its answers are its result, in one line."""

import hashlib
import http.client
import json
import os
import signal
import sys
import threading
import time

from support import free_port

# Of a server that does not get ready: how long it is waited for, and where there is nothing to
# load. In seconds.
_READY_S, _EMPTY_S = 40.0, 2.0


def ask(name: str) -> None:
    """Lets this process, which becomes a server, be asked about the model of a name, and end."""
    port, out = free_port(), os.dup(1)  # Which, while a command works, leads to standard error.
    sys.argv.append(f"--rest_api_port={port}")
    threading.Thread(target=_ask_and_end, args=(name, port, out), daemon=True).start()


def _ask_and_end(name: str, port: int, out: int) -> None:
    answers = _answers(name, port) if _is_ready(name, port) else None
    os.write(out, f"{json.dumps(answers)}\n".encode())
    os.kill(os.getpid(), signal.SIGTERM)


def _is_ready(name: str, port: int) -> bool:
    """Waits until all models answer; not long where there is nothing that could."""
    begun, empty_since = time.monotonic(), None
    while time.monotonic() - begun < _READY_S:
        try:
            if _fetch(port, "/readyz")[0] == 200:
                return True
            status, content = _fetch(port, f"/v1/models/{name}")
        except OSError:  # It does not listen yet.
            status, content = 0, b""
        if status == 404 or b'"END"' in content:
            empty_since = empty_since or time.monotonic()
            if time.monotonic() - empty_since > _EMPTY_S:
                return False
        else:
            empty_since = None
        time.sleep(0.05)
    return False


def _answers(name: str, port: int) -> list[object]:
    """What people ask it: which models, and what is in a picture."""
    with open("picture.png", "rb") as file:
        status, pixels = _fetch(port, f"/page/models/{name}/versions/1/picture", file.read())
    image = [[[value] for value in pixels[row : row + 28]] for row in range(0, len(pixels), 28)]
    body = json.dumps({"instances": [image]}).encode()
    digest = hashlib.sha256(pixels).hexdigest()
    asked = (("/page/models", None), (f"/v1/models/{name}:predict", body))
    return [status, digest, *(_fetch(port, path, body)[1].decode() for path, body in asked)]


def _fetch(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()

"""Object stores on this machine, and ways in which they fail."""

import contextlib
import http.client
import http.server
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from support import free_port


def environment(endpoint):
    """What names a store to those who use it."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "anybody",
        "AWS_SECRET_ACCESS_KEY": "anything",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextlib.contextmanager
def s3():
    """An S3 server of its own process; gives its URL."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:
        try:
            endpoint = f"http://127.0.0.1:{port}"
            request = urllib.request.Request(f"{endpoint}/bucket", method="PUT")
            for _ in range(300):
                with contextlib.suppress(urllib.error.URLError):
                    urllib.request.urlopen(request).close()
                    break
                time.sleep(0.1)
            yield endpoint
        finally:
            process.kill()


class Faults:
    """A proxy before a store, which fails as it is told.

    Attributes:
      endpoint: its URL.
      answer: called with the method and the path of each request; what it returns is done:
        None to hand it on, "500" to answer that, "cut" to end the connection in the middle of
        the answer, a number to wait so many seconds first.
    """

    def __init__(self, store):
        self.answer = lambda method, path: None
        self._store = store.removeprefix("http://")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                outer._handle(self)

            def log_message(self, *_):
                pass

        for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
            setattr(Handler, f"do_{method}", Handler.handle_any)

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        what = self.answer(request.command, request.path)
        if isinstance(what, (int, float)):
            time.sleep(what)
        if what == "500":
            request.send_response(500)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        with contextlib.closing(http.client.HTTPConnection(self._store)) as connection:
            connection.request(request.command, request.path, body, dict(request.headers))
            answer = connection.getresponse()
            content = answer.read()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else len(content)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if what == "cut":
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        if request.command != "HEAD":
            request.wfile.write(content)

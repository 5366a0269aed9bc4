"""What tests of the data share: a web server of one's own, and a few digits."""

import functools
import http.server
import threading

import pytest

from digitline.data.sources import idx


@pytest.fixture
def web(tmp_path):
    """A local web server of the folder `web`; its address."""
    root = tmp_path / "web"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=root)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def few_digits(testdata):
    """300 digits: uint8 [300, 28, 28], uint8 [300]."""
    images = idx.read_images(testdata / "t10k-images-idx3-ubyte.gz")
    return images, idx.read_labels(testdata / "t10k-labels-idx1-ubyte.gz")

"""The page of docs/mobile.md, run in a real browser with LiteRT.js and an exported file."""

import contextlib
import functools
import http.server
import io
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from browsers import wait_for, watch
from PIL import Image

from digitline.serving import artifacts

# LiteRT's WebAssembly writes its log to standard error, which a browser shows as errors; and it
# asks for a GPU, which is not there.
LITERT_LOG = r"(VERBOSE|INFO|WARNING): |No available adapters|Failed to create default WebGPU"

MOBILE = (Path(__file__).parents[2] / "docs" / "mobile.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page_source() -> str:
    (source,) = re.findall(r"^```html\n(.*?)^```$", MOBILE, re.MULTILINE | re.DOTALL)
    return source


@pytest.fixture(scope="module")
def node_modules(request) -> Path:
    """LiteRT.js as the document installs it, once for all test runs."""
    (package,) = re.findall(r"^npm install (@litertjs/core@\S+)$", MOBILE, re.MULTILINE)
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm: install Node.js")
    cache = request.config.cache.mkdir("npm")
    folder = cache / re.sub(r"\W+", "-", package).strip("-")
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            whole = Path(temporary) / "whole"
            options = ("--ignore-scripts", "--no-audit", "--no-fund")
            try:
                subprocess.run(
                    [npm, "install", "--prefix", str(whole), *options, package],
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=True,
                )
            except subprocess.CalledProcessError as error:
                pytest.skip(f"needs an npm registry: npm install {package}: {error.stderr}")
            except subprocess.TimeoutExpired:
                pytest.skip(f"needs an npm registry: npm install {package} takes too long")
            # A test run that is stopped half-way leaves nothing that looks whole.
            with contextlib.suppress(FileExistsError):
                whole.rename(folder)
    return folder / "node_modules"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with the types that modules and WebAssembly need, whatever the system's table says."""

    extensions_map: ClassVar[dict[str, str]] = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server of the folder's files."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def classified(page, png: bytes, errors: list[str]) -> tuple[str, float]:
    """Label and probability, by the page's own controls."""
    picture = {"name": "digit.png", "mimeType": "image/png", "buffer": png}
    page.set_input_files("input", picture)
    wait_for(page, "document.querySelector('output').value", errors)
    label, probability = page.inner_text("output").rsplit(" ", 1)
    return label, float(probability)


def png_of(image) -> bytes:
    """A grey image, uint8 [H, W, 1], as a file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return file.getvalue()


def test_the_documents_page_gets_the_files_answers(
    browser, exported, node_modules, page_source, test_images, tmp_path
):
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text(page_source, encoding="utf-8")
    for name in ("model.tflite", "labels.txt"):
        shutil.copy(exported.tflite.parent / name, site)
    (site / "node_modules").symlink_to(node_modules)
    classifier = artifacts.open_tflite(exported.tflite)
    images, labels = test_images
    first_of_each = [int((labels == label).argmax()) for label in sorted(set(labels.tolist()))]
    page = browser.new_page()
    errors = watch(page, LITERT_LOG)
    with served(site) as address:
        page.goto(f"{address}/index.html")
        wait_for(page, "document.querySelector('input:enabled')", errors)
        for index in first_of_each:
            label, probability = classified(page, png_of(images[index]), errors)
            expected = classifier.run(images[index : index + 1])["probabilities"][0]
            assert label == classifier.labels[expected.argmax()], index
            assert probability == pytest.approx(expected.max(), abs=1e-3), index
    page.close()
    assert errors == []

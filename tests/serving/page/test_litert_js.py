import base64
import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from digitline.base.errors import UserError
from digitline.serving.page import litert_js

from support import call


def package(name):
    """A package as npm packs it, with the files that are wanted and one more."""
    wanted = [file.partition("/")[2] for file in litert_js.FILES if file.startswith(f"{name}/")]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file in (*wanted, "README.md"):
            content = f"{name} {file}".encode()
            info = tarfile.TarInfo(f"package/{file}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def registry(monkeypatch, tmp_path):
    """Address and contents of a registry on this machine, with digests to match."""
    contents = {name: package(name) for name in ("core", "wasm-utils")}
    digests = {
        name: "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        for name, content in contents.items()
    }
    monkeypatch.setattr(litert_js, "_PACKAGES", digests)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            names = {
                f"/npm/@litertjs/{name}/-/{name}-{litert_js.VERSION}.tgz": content
                for name, content in contents.items()
            }
            self.send_response(200 if self.path in names else 404)
            self.end_headers()
            self.wfile.write(names.get(self.path, b""))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/npm/", contents
        server.shutdown()
        thread.join()


def fetched(*flags):
    return call(litert_js.COMMAND, list(flags))


def test_it_is_fetched_once(registry, monkeypatch):
    address, contents = registry
    monkeypatch.setenv("npm_config_registry", address)
    result = fetched()
    folder = litert_js.default_folder()
    assert (result["folder"], result["fetched"]) == (str(folder), True)
    assert litert_js.is_whole(folder)
    assert (folder / "core/dist/index.js").read_text() == "core dist/index.js"
    assert not list(folder.rglob("README.md"))
    contents.clear()
    assert fetched()["fetched"] is False


def test_fetches_again_what_is_not_complete(registry):
    address, _ = registry
    fetched(f"--registry={address}")
    lost = litert_js.default_folder() / litert_js.FILES[-1]
    lost.unlink()
    assert fetched(f"--registry={address}")["fetched"] is True
    assert lost.is_file()


def test_rejects_other_bytes_and_leaves_nothing(registry):
    address, contents = registry
    contents["wasm-utils"] += b"!"
    with pytest.raises(UserError, match=r"wasm-utils .* is not the package that was published"):
        fetched(f"--registry={address}")
    assert list(litert_js.default_folder().parent.iterdir()) == []


def test_names_a_registry_that_does_not_have_it(registry):
    address, contents = registry
    contents.clear()
    with pytest.raises(UserError, match=r"core-.*tgz: .*Not Found.*--registry"):
        fetched(f"--registry={address}")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "nonsense"])
def test_rejects_what_is_not_a_registry(registry, address):
    with pytest.raises(UserError, match="another registry: --registry=URL"):
        fetched(f"--registry={address}")

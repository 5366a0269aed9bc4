"""The page and the hints of a server whose versions have odd files, and odd names."""

import io
import json
import os
import re
import shlex
import shutil
import socket
import time

import PIL.Image
import pytest
from served import serving

from digitline.serving.prediction.model import BOXED

_SAMPLES = {"split": "test", "image_shape": [28, 28, 1], "columns": 2, "counts": [2, 1]}
_NAME = "a b%/?é\x1b[2J\n'$(x)"


def _pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _large(path):
    with open(path, "wb") as file:
        file.truncate(100 << 20)


def _link(path):
    (path.parents[2] / "secret").write_text("root:x:0:0")
    path.unlink(missing_ok=True)
    path.symlink_to(path.parents[2] / "secret")


def _folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


def _says(content):
    return lambda path: path.write_bytes(content)


def _samples(**facts):
    return _says(json.dumps({**_SAMPLES, **facts}).encode())


# What is made of a file of a version, and what the page then says is wrong.
_ODD = {
    "labels.txt": {
        "no_text": (_says(bytes(range(256))), "is not text"),
        "utf16": (_says("null eins".encode("utf-16")), "is not text"),
        "large": (_large, "has over 8 MB"),
        "link": (_link, "leads out of the version's folder"),
        "pipe": (_pipe, "is a pipe, not a file"),
        "folder": (_folder, "is a folder, not a file"),
        "latin1": (_says(b"caf\xe9\n" * 10), ""),
    },
    "pictures.json": {
        "deep": (_says(b"[" * 100_000), "not a record"),
        "no_text": (_says(bytes(range(256))), "is not text"),
        "link": (_link, "leads out of the version's folder"),
        "nan": (_says(b'{"image_shape": [NaN, 28, 1]}'), "not a record"),
    },
    "manifest.json": {
        "deep": (_says(b"[" * 100_000), "nested too deeply"),
        "link": (_link, "leads out of the version's folder"),
        "large": (_large, "at most"),
    },
    "samples.json": {
        "pipe": (_pipe, "not a file"),
        "deep": (_says(b"[" * 100_000), "nested too deeply"),
        "nan": (_says(b'{"split": "a", "columns": NaN}'), "which test image is where"),
        "many": (_samples(columns=10**12), "which test image is where"),
        "negative": (_samples(counts=[-1, 1]), "which test image is where"),
        "large": (_large, "at most"),
        "link": (_link, "leads out of the version's folder"),
        "good": (_samples(), ""),
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    entries = []
    for file, kinds in _ODD.items():
        for kind, (spoil, _) in kinds.items():
            name = f"{file}-{kind}"
            version = folder / name / "1"
            shutil.copytree(BOXED, version)
            (version / "assets.extra").mkdir(exist_ok=True)
            spoil(version / "assets.extra" / file if file == "samples.json" else version / file)
            entries.append((name, folder / name))
    shutil.copytree(BOXED, folder / "linked/1")
    (folder / "outside").mkdir()
    PIL.Image.new("L", (8, 8)).save(folder / "outside/samples.png")
    (folder / "linked/1/assets.extra").symlink_to(folder / "outside")
    (folder / "linked/1/model.tflite").rename(folder / "outside/model.tflite")
    (folder / "linked/1/model.tflite").symlink_to(folder / "outside/model.tflite")
    shutil.copytree(BOXED, folder / "named/1")
    entries += [(_NAME, folder / "named"), ("linked", folder / "linked")]
    listed = "".join(
        f'config {{ name: {json.dumps(name)} base_path: "{path}" model_platform: "tensorflow" }}\n'
        for name, path in reversed(entries)
    )
    (folder / "config").write_text(f"model_config_list {{ {listed} }}")
    with serving(f"--model_config_file={folder}/config", "--noverify") as running:
        yield running


def test_odd_files_are_named_and_the_list_goes_on(server):
    start = time.monotonic()
    status, _, content = server.fetch("/page/models")
    assert (status, time.monotonic() - start < 10) == (200, True)
    assert len(content) < 1 << 16
    models = {model["name"]: model["versions"] for model in json.loads(content)["models"]}
    for file, kinds in _ODD.items():
        for kind, (_, words) in kinds.items():
            (version,) = models[f"{file}-{kind}"]
            assert words in version["trouble"], (file, kind)
            assert bool(words) == bool(version["trouble"]), (file, kind, version["trouble"])
            assert "root:x" not in str(version)
    assert models["samples.json-good"][0]["samples"] == _SAMPLES
    json.loads(content, parse_constant=pytest.fail)  # Browsers read no NaN.


def test_files_outside_the_version_are_not_given(server):
    for file in ("model.tflite", "samples.png"):
        assert server.fetch(f"/page/models/linked/versions/1/{file}")[0] == 404
        assert server.fetch(f"/page/models/named/versions/1/../../{file}")[0] == 404
    assert server.fetch("/page/models/samples.json-good/versions/1/model.tflite")[0] == 200


def test_hints_and_lines_with_an_odd_name(server):
    said = server.said()
    assert "\x1b" not in said
    assert r"model a b%/?é\x1b[2J\n'$(x): version 1" in said
    line = next(line for line in said.splitlines() if line.startswith("  curl "))
    path = shlex.split(line)[1].partition(str(server.rest))[2]
    assert re.fullmatch(r"/v1/models/[\w.%-]+", path)
    assert server.get(path)[0] == 200
    quoted = "/v1/models/" + "".join(f"%{byte:02x}" for byte in _NAME.encode())
    assert server.get(quoted)[0] == 200
    path = quoted.replace("/v1", "/page") + "/versions/1/model.tflite"
    assert server.fetch(path)[0] == 200


@pytest.mark.parametrize(
    ("host", "is_answered"),
    [
        *((host, True) for host in ("127.0.0.1", "localhost:1", "[::1]:8501", "LOCALHOST.", None)),
        *((host, True) for host in ("a.localhost", "10.0.0.1")),
        *(
            (host, False)
            for host in ("evil.example", "[", "]", "[::1", "a b", "", "localhost.evil")
        ),
        *((host, False) for host in ("\xff", "x" * 5000, "127.0.0.1.evil", "[::1].evil", "//")),
    ],
)
def test_who_asks_by_another_name(server, host, is_answered):
    line = "" if host is None else f"Host: {host}\r\n"
    version = "1.0" if host is None else "1.1"
    for path in ("/v1/models/linked", "/v1/models/linked/metadata", "/page/models"):
        request = f"GET {path} HTTP/{version}\r\n{line}Connection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.rest), timeout=20) as connection:
            connection.sendall(request.encode("latin-1"))
            status = connection.makefile("rb").readline().split()[1]
        assert status in ((b"200",) if is_answered else (b"403", b"400")), (path, host)


def test_other_names_by_flag(tmp_path):
    shutil.copytree(BOXED, tmp_path / "boxed/1")
    for flags in (["--nocheck_host"], ["--host=0.0.0.0"]):
        with serving(f"--model_base_path={tmp_path}/boxed", *flags) as server:
            headers = {"Host": "models.example"}
            assert server.fetch("/v1/models/default", headers=headers)[0] == 200


def test_pictures_that_are_never_sent_whole(server, caplog):
    path = "/page/models/samples.json-good/versions/1/picture"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
    for rest in (
        "Content-Length: 1000000\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
        "Content-Length: 99999999999\r\n\r\nabc",
    ):
        with socket.create_connection(("127.0.0.1", server.rest), timeout=20) as connection:
            connection.sendall((head + rest).encode())
            time.sleep(0.05)
    whole = io.BytesIO()
    PIL.Image.new("L", (28, 28)).save(whole, "PNG")
    assert server.fetch(path, whole.getvalue())[0] == 200
    damaged = path.replace("samples.json-good", "pictures.json-deep")
    status, _, said = server.fetch(damaged, whole.getvalue())
    assert (status, b"not a record" in said) == (400, True)
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]

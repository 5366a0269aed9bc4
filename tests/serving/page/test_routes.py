"""The page's addresses; test_browser.py has what it does in a browser."""

import io
import json
import shutil

import numpy as np
import PIL.Image
import pytest
from served import serving

from digitline.base.errors import UsageError
from digitline.base.pictures import decode
from digitline.base.pictures.config import PictureConfig
from digitline.serving import serve
from digitline.serving.flags import ServeOptions
from digitline.serving.page import versions
from digitline.serving.prediction.model import BOXED

from support import call

VERSION = "/page/models/tiny/versions/1"


def test_the_page_and_its_files(server):
    status, headers, html = server.fetch("/")
    assert status == 200
    assert headers["Content-Type"] == "text/html"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == policy["style-src"] == "'self'"
    for file, kind in (("main.js", "text/javascript"), ("page.css", "text/css")):
        assert f"/page/{file}".encode() in html
        assert server.fetch(f"/page/{file}")[1]["Content-Type"] == kind
    for missing in ("/page/nothing.js", "/page/..%2Fpage.py", "/page/litertjs/..%2f..%2fsecret"):
        status, _, said = server.fetch(missing)
        assert status == 404
        assert "error" in json.loads(said)
    assert "draw a digit at http://127.0.0.1:" in server.said()


def test_what_the_models_are(server, exported, test_images):
    answer = json.loads(server.fetch("/page/models")[2])
    models = {model["name"]: model["versions"] for model in answer["models"]}
    assert set(models) == {"boxed", "softmax", "tiny"}
    assert models["boxed"][0]["kind"] == "TFLite"
    assert not models["softmax"][0]["tflite"]
    (version,) = models["tiny"]
    samples, threshold = version.pop("samples"), version.pop("threshold")
    assert 0 < threshold < 1
    assert answer["words"]["not_sure"] == "not sure"
    assert version == {
        "version": "1",
        "kind": "SavedModel",
        "labels": list("0123456789"),
        "image_shape": [28, 28, 1],
        "is_of_digits": True,
        "trouble": "",
        "activations": True,
        "tflite": True,
    }
    assert server.fetch(f"{VERSION}/model.tflite")[2] == exported.tflite.read_bytes()
    sheet = np.asarray(PIL.Image.open(io.BytesIO(server.fetch(f"{VERSION}/samples.png")[2])))
    assert sheet.shape == (10 * 28, samples["columns"] * 28)
    assert min(samples["counts"]) >= 1
    assert all(sheet[row * 28 : (row + 1) * 28, :28].any() for row in range(10))
    for missing in ("/page/models/tiny/versions/2", "/page/models/other/versions/1"):
        assert server.fetch(f"{missing}/model.tflite")[0] == 404
        assert server.fetch(f"{missing}/samples.png")[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "[::1]:8501"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "evil.example"}, 403),  # A name that was made to lead here.
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_sites_do_not_get_the_models_files(server, headers, status):
    for path in ("/page/models", f"{VERSION}/model.tflite", f"{VERSION}/samples.png"):
        assert server.fetch(path, headers=headers)[0] == status


def test_a_picture_becomes_pixels_as_predict_makes_them(server, test_images, tmp_path):
    drawn = PIL.Image.fromarray(255 - test_images[0][3, ..., 0]).resize((300, 300))
    drawn.save(tmp_path / "drawn.png")
    content = (tmp_path / "drawn.png").read_bytes()
    status, _, pixels = server.fetch(f"{VERSION}/picture", content)
    assert status == 200
    expected = decode.load(tmp_path / "drawn.png", PictureConfig((28, 28, 1), digits=True))
    assert pixels == expected.tobytes()
    status, _, said = server.fetch(f"{VERSION}/picture", b"not a picture")
    assert (status, b"not a picture" in said) == (400, True)
    assert server.fetch("/page/models/tiny/versions/2/picture", content)[0] == 404
    large = io.BytesIO()
    PIL.Image.new("1", (10_000, 9_000)).save(large, "PNG")  # A few kB.
    status, _, said = server.fetch(f"{VERSION}/picture", large.getvalue())
    assert (status, b"10000x9000 pixels" in said) == (400, True)
    in_pieces = iter([b"\x89PNG"] + [bytes(1 << 20)] * 33)  # It does not say its length.
    assert server.fetch(f"{VERSION}/picture", in_pieces)[0] == 413


def test_what_is_seen_in_a_picture(server, test_images):
    def seen(image):
        file = io.BytesIO()
        PIL.Image.fromarray(image).save(file, "PNG")
        return server.fetch("/page/models/boxed/versions/1/picture", file.getvalue())[1][
            "X-Digitline-Seen"
        ]

    images = test_images[0][..., 0]
    assert seen(images[0]) == "class"
    assert seen(np.concatenate(list(images[:2]), axis=1)) == "several_digits"
    assert seen(np.full((40, 90), 255, np.uint8)) == "blank"


@pytest.mark.parametrize("changed", ["created", "version"])
def test_a_tflite_file_of_another_export_is_not_offered(exported, tmp_path, changed):
    root = tmp_path / "exports"
    shutil.copytree(exported.export_dir, root)
    folder = root / exported.saved_model.relative_to(exported.export_dir)
    path = versions.tflite_of(folder)
    assert path == root / exported.tflite.relative_to(exported.export_dir)
    manifest = path.parent / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, changed: "another"}))
    assert versions.tflite_of(folder) is None
    assert versions.tflite_of(path.parent) == path  # Served itself.


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "page": True}, True),
        ({"page": False}, False),
        ({"rest_api_port": 0}, False),
        ({"host": "127.0.0.2"}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"host": "192.168.0.1"}, False),
    ],
)
def test_where_the_page_is_by_default(flags, expected):
    assert ServeOptions(**{"rest_api_port": 8501, **flags}).has_page is expected


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--page"], "--page needs --rest_api_port"),
        (["--litertjs=/nowhere"], "--litertjs=/nowhere"),
    ],
)
def test_rejects_flags_that_do_not_go_together(flags, words):
    with pytest.raises(UsageError, match=words):
        call(serve.COMMAND, ["--model_base_path=models", *flags])


def test_without_the_page_the_address_is_tf_servings(tmp_path):
    shutil.copytree(BOXED, tmp_path / "boxed/1")
    with serving(f"--model_base_path={tmp_path}/boxed", "--nopage") as server:
        assert server.fetch("/")[0] == 404
        assert server.fetch("/page/models")[0] == 404
        assert "draw a digit" not in server.said()

"""A network with ImageNet's weights, from a folder of pictures to phones and browsers."""

import re
from pathlib import Path
from types import SimpleNamespace

import materials
import pytest
from browsers import watch
from served import serving

from digitline.base.errors import UserError
from digitline.export import exporter
from digitline.models import train
from digitline.models.pretrained import imagenet
from digitline.serving.page import litert_js

from support import call

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """An export of a short training on 96 pictures of six materials, for all runtimes."""
    folder = tmp_path_factory.mktemp("things")
    materials.write(folder / "things", 96, 96, 0)
    data = (f"--data={folder / 'things'}", f"--data_dir={folder}", f"--workdir={folder / 'run'}")
    call(train.COMMAND, [*data, "--epochs=8", "--noreport"])
    result = call(exporter.COMMAND, [
        f"--workdir={folder / 'run'}", f"--export_dir={folder / 'exports'}", "--runtimes=all",
        "--tflite_variants=float32,int8,mediapipe", "--tflite_io=int8", "--c_header",
    ])  # fmt: skip
    return SimpleNamespace(folder=folder / "exports", result=result)


def test_the_card_says_where_the_weights_are_from(published):
    paths = {name: Path(path) for name, path in published.result["artifacts"].items()}
    assert paths["tflite_int8"].stat().st_size < 4.5e6
    card = (paths["tflite_int8"].parent / "MODEL_CARD.md").read_text()
    assert "ImageNet" in imagenet.ORIGIN
    assert imagenet.ORIGIN in card
    header = (paths["tflite_int8"].parent / "model_int8.h").read_text()
    assert "#define DIGITLINE_EFFICIENTNET_LITE0_INT8_INPUT_SHAPE {1, 224, 224, 3}" in header
    assert '    "pebbles",\n' in header


@pytest.mark.parametrize(
    ("title", "package", "artifacts"),
    [
        ("MediaPipe", "mediapipe", {"TFLite mediapipe"}),
        ("LiteRT.js", "playwright", {"TFLite float32", "TFLite int8"}),
    ],
)
def test_phones_and_browsers_give_the_models_answers(published, title, package, artifacts):
    pytest.importorskip(package)
    rows = [row for row in published.result["runtimes"] if row["runtime"].startswith(title)]
    if title == "LiteRT.js" and not rows:
        pytest.skip("needs Chromium, and: digitline litertjs")
    assert {row["artifact"] for row in rows if row["refusal"] is None} >= artifacts


def test_the_page_classifies_by_server_and_browser(published, browser):
    try:
        call(litert_js.COMMAND, [])
    except UserError as error:
        pytest.skip(f"needs an npm registry: {error}")
    models = published.folder / "saved_model" / "efficientnet_lite0"
    with serving("--model_name=things", f"--model_base_path={models}") as server:
        page = browser.new_page()
        errors = watch(page)
        page.goto(f"http://127.0.0.1:{server.rest}/")
        page.wait_for_selector("#sample-grid button >> nth=3")
        page.locator("#sample-grid button").nth(3).click()
        page.wait_for_selector("#answer[aria-busy=false]")
        rows = [page.inner_text(f"#times tr.{engine}") for engine in ("server", "browser")]
        page.close()
    assert errors == []
    labels = [re.search(r"bricks|cloth|marble|pebbles|straw|wood", row) for row in rows]
    assert labels[0] is not None
    assert labels[1] is not None
    assert labels[0][0] == labels[1][0]

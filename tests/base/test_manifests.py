"""Exports of ours are compared with their manifests when they are opened."""

import shutil
import time

import pytest

from digitline.base import manifests
from digitline.base.errors import DataError, UserError
from digitline.base.storage import records
from digitline.models import evaluate
from digitline.serving import artifacts, predict
from digitline.serving.prediction.model import BOXED

from support import call, edit, flip


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported.export_dir, tmp_path / "exports")


def saved(copy):
    return copy / "saved_model/lenet5/1"


def lite(copy):
    return copy / "tflite/lenet5/1/model.tflite"


def swap_labels(path):
    names = path.read_text().splitlines()
    path.write_text("\n".join([*names[1::-1], *names[2:], ""]))


def raise_the_threshold(file):
    path = file.with_name("manifest.json")
    path.write_text(path.read_text().replace('"threshold": 0.', '"threshold": 0.0'))


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        (saved, lambda folder: swap_labels(folder / "assets/labels.txt"), "labels.txt: other cont"),
        (saved, lambda folder: flip(folder / "variables/variables.data-00000-of-00001"), "0001: o"),
        (saved, lambda folder: flip(folder / "saved_model.pb"), "saved_model.pb: other content"),
        (saved, lambda folder: (folder / "variables/variables.index").unlink(), "index: missing"),
        (saved, lambda folder: (folder / "assets/pictures.json").unlink(), "json: missing"),
        (lite, lambda file: flip(file, 9000), "model.tflite: other content than was published"),
        (lite, lambda file: swap_labels(file.with_name("labels.txt")), "labels.txt: other content"),
        (lite, lambda file: file.with_name("labels.txt").write_text(""), "0 bytes, not 20"),
        (lite, lambda file: file.with_name("pictures.json").unlink(), "pictures.json: missing"),
        (
            lite,
            lambda file: file.with_name("manifest.json").write_text('{"files": 3}'),
            "not a mani",
        ),
        (lite, lambda file: file.with_name("manifest.json").write_text(""), "is not valid JSON"),
        (lite, lambda file: file.with_name("manifest.json").write_text("[]"), "holds a list, not"),
        (lite, lambda file: file.with_name("manifest.json").write_text("{}"), "not a manifest of"),
        (lite, raise_the_threshold, r"manifest\.json is not as digitline wrote it \(damaged or ed"),
    ],
)
def test_what_is_not_as_published_is_refused(model, change, message, copy):
    path = model(copy)
    change(path)
    opener = artifacts.open_saved_model if path.is_dir() else artifacts.open_tflite
    with pytest.raises(UserError, match=message):
        opener(path)


def test_only_what_is_used_is_looked_at(copy, test_images):
    folder = lite(copy).parent
    for name in ("model_int8.tflite", "MODEL_CARD.md"):
        (folder / name).unlink()
    (saved(copy) / "assets.extra/samples.png").unlink()
    for path, opener in (
        (lite(copy), artifacts.open_tflite),
        (saved(copy), artifacts.open_saved_model),
    ):
        assert opener(path).labels == tuple("0123456789")


def test_files_without_their_manifest_are_anybodys(copy, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(manifests.progress, "say", said.append)
    folder = tmp_path / "app"
    folder.mkdir()
    for name in ("model.tflite", "labels.txt"):
        shutil.copy(lite(copy).with_name(name), folder / name)
    swap_labels(folder / "labels.txt")
    assert artifacts.open_tflite(folder / "model.tflite").labels[:2] == ("1", "0")
    (folder / "manifest.json").write_text('{"name": "A web app", "icons": []}')
    artifacts.open_tflite(folder / "model.tflite")
    assert said == []
    mine = lite(copy).with_name("mine.tflite")
    lite(copy).rename(mine)
    artifacts.open_tflite(mine)
    assert "mine.tflite is not in" in said[0]


def test_labels_that_were_added_are_refused(copy):
    path = lite(copy).with_name("manifest.json")
    edit(path, lambda content: content["files"].pop("labels.txt"))
    with pytest.raises(DataError, match=r"labels\.txt: was not published with it; restore the"):
        artifacts.open_tflite(lite(copy))


def test_the_commands_refuse_it_unless_they_are_told_not_to_look(copy, data_dir, tmp_path):
    swap_labels(lite(copy).with_name("labels.txt"))
    picture = shutil.copy(saved(copy) / "assets.extra/samples.png", tmp_path / "picture.png")
    for command, words in (
        (predict.COMMAND, [picture]),
        (evaluate.COMMAND, [f"--data_dir={data_dir}", "--split=test[:20]"]),
    ):
        words = [f"--tflite={lite(copy)}", *words]
        with pytest.raises(
            DataError, match=r"labels\.txt: other content.*--noverify opens it as i"
        ):
            call(command, words)
        call(command, [*words, "--noverify"])


def test_it_is_quick_and_the_model_in_the_box_is_whole(copy):
    for path in (saved(copy), lite(copy), BOXED / "model.tflite"):
        start = time.process_time()
        manifests.require_published(path)
        assert time.process_time() - start < 0.05


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: flip(path, 50)])
def test_what_lies_beside_a_model_is_compared_where_it_is_used(change, tmp_path):
    names = ("assets.extra/samples.json", "assets.extra/samples.png")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(100))
    (tmp_path / "saved_model.pb").touch()
    manifests.require_beside(tmp_path, names)  # Somebody else's.
    records.write(
        tmp_path / "assets.extra/digitline.json",
        {**manifests.stating(manifests.digests(tmp_path)), "artifacts": {}},
    )
    manifests.require_beside(tmp_path, (*names, "assets.extra/other"))
    change(tmp_path / names[1])
    with pytest.raises(DataError, match=rf"{names[1]}: (missing|other content).*export again"):
        manifests.require_beside(tmp_path, names)

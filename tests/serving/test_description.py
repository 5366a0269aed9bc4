import json
import shutil
import zipfile

import pytest

from digitline.base.errors import DataError, UserError
from digitline.base.pictures.config import PictureConfig
from digitline.serving.description import describe
from digitline.serving.prediction.model import BOXED

SHAPE = (28, 28, 1)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(BOXED, tmp_path / "boxed")


def test_what_lies_beside_counts_and_else_what_is_inside(folder):
    tflite = folder / "model.tflite"
    beside = describe(tflite, SHAPE)
    assert beside.labels == tuple("0123456789")
    assert beside.pictures == PictureConfig(SHAPE, digits=True)
    assert 0.5 < beside.threshold < 1
    (folder / "labels.txt").write_text("a\nb\n")
    (folder / "pictures.json").write_text('{"image_shape": [28, 28, 1], "fit": "crop"}')
    other = describe(tflite, SHAPE)
    assert (other.labels, other.pictures.fit) == (("a", "b"), "crop")
    for name in ("labels.txt", "pictures.json", "manifest.json"):
        (folder / name).unlink()
    inside = describe(tflite, SHAPE)
    assert (inside.labels, inside.pictures) == (beside.labels, beside.pictures)
    assert inside.threshold == beside.threshold
    with zipfile.ZipFile(tflite, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("certainty.json", '{"threshold": 25}')
    with pytest.raises(DataError, match=r"certainty.json inside it: its certainty .* threshold 25"):
        describe(tflite, SHAPE)


def test_an_export_from_before_records_and_somebody_elses_model(folder):
    tflite = folder / "model.tflite"
    tflite.write_bytes(b"without files inside")
    (folder / "pictures.json").unlink()
    assert describe(tflite, SHAPE).pictures == PictureConfig(SHAPE, digits=True)
    for content in ("{}", '{"run": []}', '{"run": {"dataset": {}}}'):
        (folder / "manifest.json").write_text(content)
        assert describe(tflite, SHAPE).recorded_pictures is None
        assert describe(tflite, SHAPE).pictures == PictureConfig(SHAPE, fit="pad")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pictures.json", "{", "not a record of how pictures are taken"),
        ("pictures.json", "[]", "expected a JSON object"),
        ("pictures.json", '{"image_shape": [28, 28, 1], "fit": "x"}', "Expected fit"),
        ("pictures.json", '{"image_shape": [8, 8, 1]}', "8x8x1, but the model takes 28x28x1"),
        ("manifest.json", "{", "not valid JSON"),
        ("manifest.json", json.dumps({"certainty": {"threshold": 2.0}}), "the threshold 2.0"),
        ("manifest.json", json.dumps({"certainty": [1]}), r"expected a JSON object, got \[1\]"),
    ],
)
def test_a_damaged_file_is_named(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=rf"{name}.*{message}"):
        describe(folder / "model.tflite", SHAPE)


def test_a_damaged_record_inside_is_named(folder):
    tflite = folder / "model.tflite"
    tflite.write_bytes(tflite.read_bytes().replace(b'"digits": true', b'"digits": talk'))
    (folder / "pictures.json").unlink()
    with pytest.raises(DataError, match=r"model.tflite: pictures.json inside it is damaged"):
        describe(tflite, SHAPE)

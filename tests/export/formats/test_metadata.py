import dataclasses
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from digitline.export import exporter, options, signatures
from digitline.export.formats import metadata
from digitline.models import train
from digitline.serving.description import describe

from support import call, train_arguments

TEN = tuple("0123456789")


def entries(content):
    """What is in a file's metadata, by name."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    entries_of_file = [model.Metadata(number) for number in range(model.MetadataLength())]
    return {
        each.Name().decode(): model.Buffers(each.Buffer()).DataAsNumpy().tobytes()
        for each in entries_of_file
    }


@pytest.mark.parametrize("variant", options.USUAL, ids=lambda variant: variant.name)
def test_every_file_carries_its_labels(variant, exported):
    path = exported.tflite.parent / variant.file
    assert metadata.labels(path) == TEN
    content = entries(path.read_bytes())["TFLITE_METADATA"]
    assert content[4:8] == b"M001"
    for text in (b"images", b"raw pixels, 0 to 255", b"probabilities", b"classes", b"labels.txt"):
        assert text + b"\0" in content
    assert f"Raw 28x28x1 images to 10 classes; {variant.meaning}".encode() in content


def test_unzip_unpacks_labels_and_picture_record(exported, tmp_path):
    with zipfile.ZipFile(exported.tflite) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        archive.extractall(tmp_path)
    assert (tmp_path / "labels.txt").read_text() == "".join(f"{each}\n" for each in TEN)
    record = {"image_shape": [28, 28, 1], "fit": "pad", "digits": True, "scale": 0}
    assert json.loads((tmp_path / "pictures.json").read_text()) == record
    certainty = json.loads((exported.tflite.parent / "manifest.json").read_text())["certainty"]
    sure = json.loads((tmp_path / "certainty.json").read_text())
    assert sure == {"threshold": certainty["threshold"]}


def test_a_file_that_is_copied_alone_says_when_it_is_not_sure(exported, tmp_path):
    path = shutil.copy(exported.tflite, tmp_path)
    beside, alone = (describe(Path(each), (28, 28, 1)) for each in (exported.tflite, path))
    assert alone.threshold == beside.threshold is not None
    assert (alone.labels, alone.pictures) == (beside.labels, beside.pictures)


def test_what_was_in_the_file_stays(exported):
    """The converter's own metadata, the signature, and the answers (which the gate compared)."""
    content = exported.tflite.read_bytes()
    assert {"min_runtime_version", "CONVERSION_METADATA"} <= set(entries(content))
    assert content[4:8] == b"TFL3"


def test_the_same_arguments_give_the_same_bytes(exported, trained_model):
    content = exported.tflite.read_bytes()
    trained = dataclasses.replace(trained_model, label_names=("é", "a b", '"'))
    first, second = (
        metadata.add(content, signatures.TFLITE_DEFAULT, trained, "twice") for _ in range(2)
    )
    assert first == second


def test_files_without_labels(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"no archive")
    assert metadata.labels(path) == ()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "")
    assert metadata.labels(path) == ()


def test_names_of_any_letters(exported, trained_model, tmp_path):
    path = tmp_path / "model.tflite"
    names = ("zéro", "ein s", '"2"')
    trained = dataclasses.replace(trained_model, label_names=names)
    content = exported.tflite.read_bytes()
    path.write_bytes(metadata.add(content, signatures.TFLITE_DEFAULT, trained, "d"))
    assert metadata.labels(path) == names


def test_constants_that_lie_behind_the_model_are_kept(data_dir, tmp_path):
    """The quantizer puts the weights of networks as large as `mlp` there."""
    flags = train_arguments(data_dir, tmp_path / "run", "--model=mlp", "--max_steps=30")
    call(train.COMMAND, flags)
    result = call(
        exporter.COMMAND,
        [
            f"--workdir={tmp_path}/run",
            f"--export_dir={tmp_path}/exports",
            "--formats=tflite",
            "--tflite_variants=float16,dynamic_int8",
            "--split=train[:200]",
        ],
    )
    assert {row["artifact"] for row in result["verification"]} == {
        "TFLite float16",
        "TFLite dynamic_int8",
    }
    assert metadata.labels(Path(result["artifacts"]["tflite_float16"])) == TEN

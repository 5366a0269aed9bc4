import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError, UserError, VerificationError
from digitline.export import options, signatures
from digitline.export.formats import quantize, tflite
from digitline.models.run.folder import Run
from digitline.serving import artifacts

from support import export


def published(export_dir):
    """What a server or an app could find."""
    return [path for path in export_dir.glob("*/*/*") if ".staging" not in path.parts]


def test_the_export_folder_holds_these_files(exported):
    root = exported.export_dir
    names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert names - {".lock"} == {
        "saved_model/lenet5/1/saved_model.pb",
        "saved_model/lenet5/1/fingerprint.pb",
        "saved_model/lenet5/1/variables/variables.index",
        "saved_model/lenet5/1/variables/variables.data-00000-of-00001",
        "saved_model/lenet5/1/assets/labels.txt",
        "saved_model/lenet5/1/assets/pictures.json",
        "saved_model/lenet5/1/assets.extra/samples.json",
        "saved_model/lenet5/1/assets.extra/samples.png",
        "saved_model/lenet5/1/assets.extra/digitline.json",
        "saved_model/lenet5/1/assets.extra/tf_serving_warmup_requests",
        "tflite/lenet5/1/model.tflite",
        "tflite/lenet5/1/model_float16.tflite",
        "tflite/lenet5/1/model_dynamic_int8.tflite",
        "tflite/lenet5/1/model_int8.tflite",
        "tflite/lenet5/1/labels.txt",
        "tflite/lenet5/1/pictures.json",
        "tflite/lenet5/1/manifest.json",
        "tflite/lenet5/1/MODEL_CARD.md",
    }
    assert (exported.tflite.parent / "labels.txt").read_text().split() == list("0123456789")


def test_manifest_describes_the_files(exported):
    manifest = json.loads((exported.tflite.parent / "manifest.json").read_text())
    content = exported.tflite.read_bytes()
    fact = manifest["files"]["model.tflite"]
    described = {artifact["path"]: artifact["signatures"] for artifact in manifest["artifacts"]}
    shape = described["model_int8.tflite"]["serving_default"]["inputs"]["images"]
    assert shape == {"dtype": "uint8", "shape": [1, 28, 28, 1]}
    assert fact == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["run"]["recipe"]["epochs"] == 15
    certainty = manifest["certainty"]
    assert (certainty["split"], certainty["images"]) == ("train[:10% by class]", 119)
    assert 0.3 < certainty["threshold"] < 1 >= certainty["coverage"] > 0.8
    rows = manifest["verified_on"]["comparisons"]
    assert [(row["artifact"], row["signature"]) for row in rows] == [
        *[("SavedModel", signature.name) for signature in signatures.SAVED_MODEL],
        *[(f"TFLite {variant.name}", "serving_default") for variant in options.USUAL],
    ]
    assert all(row["agrees"] and row["examples"] == 300 for row in rows)
    beside = json.loads((exported.saved_model / "assets.extra/digitline.json").read_text())
    assert beside["files"]["assets/labels.txt"]["bytes"] == 20
    assert beside["run"] == manifest["run"]
    (artifact,) = beside["artifacts"]
    assert artifact["signatures"]["classify"] == {
        "method": "tensorflow/serving/classify",
        "inputs": {"inputs": {"dtype": "string", "shape": [None]}},
        "outputs": {
            "classes": {"dtype": "string", "shape": [None, 10]},
            "scores": {"dtype": "float32", "shape": [None, 10]},
        },
    }


def test_the_card_says_how_robust_the_model_is(well_trained, exported):
    measured = well_trained.result["corruptions"]
    card = (exported.tflite.parent / "MODEL_CARD.md").read_text()
    assert "On images of `test[:30]` that were corrupted" in card
    assert f"mean accuracy {measured['accuracy']:.2%}." in card
    assert len(re.findall(r"^\| \w+ \|(?: [\d.]+% \|){6}$", card, re.M)) == 16
    row = measured["by_corruption"][0]
    shares = " | ".join(f"{share:.2%}" for share in row["accuracies"])
    assert f"\n| {row['name']} | {shares} | " in card


def test_the_card_says_what_was_verified(exported):
    card = (exported.tflite.parent / "MODEL_CARD.md").read_text()
    assert "| TFLite float32 | `serving_default` | 9" in card
    assert f"| `model.tflite` | {exported.tflite.stat().st_size:,} |" in card
    assert "Rounded to int8 by 500 images of `train[10%: by class]`." in card
    assert "\n| 7 | " in card  # Precision, recall and F1 of a class.
    run = json.loads((exported.tflite.parent / "manifest.json").read_text())["run"]
    assert f"fingerprint `{run['dataset']['fingerprint']}`" in card
    for signature in (*signatures.SAVED_MODEL, signatures.TFLITE_DEFAULT):
        for tensor in (signature.input, *signature.outputs):
            assert f"`{tensor.name}` {tensor.dtype}" in card
    assert "Signature `classify` of SavedModel:" in card
    assert "Signature `serving_default` of TFLite float32, TFLite float16, TFLite" in card


def test_versions_names_and_formats(well_trained, tmp_path):
    digits = ("--model_name=digits", "--version=40")
    assert export(well_trained, tmp_path, *digits)["version"] == 40
    (tmp_path / "saved_model/lenet5/6").mkdir(parents=True)
    assert export(well_trained, tmp_path)["version"] == 7
    versions = {str(path.relative_to(tmp_path)) for path in published(tmp_path)}
    assert versions == {"saved_model/lenet5/6", "tflite/lenet5/7", "tflite/digits/40"}
    with pytest.raises(UserError, match="is there already; versions are never changed"):
        export(well_trained, tmp_path, *digits)


def test_a_refusal_leaves_what_was_published_before(well_trained, tmp_path, monkeypatch):
    (tmp_path / "tflite/lenet5/1").mkdir(parents=True)
    before = published(tmp_path)

    def write_wrong_normalization(trained, folder, **options):
        preprocess = dataclasses.replace(trained.preprocess, mean=0.0, std=1.0)
        write(dataclasses.replace(trained, preprocess=preprocess), folder, **options)

    write = tflite.write
    monkeypatch.setattr(tflite, "write", write_wrong_normalization)
    with pytest.raises(VerificationError, match="disagrees with the trained model") as caught:
        export(well_trained, tmp_path, "--formats=saved_model,tflite")
    assert caught.value.exit_code == 1
    assert published(tmp_path) == before
    assert not (tmp_path / ".staging").exists()


def test_a_quantizer_that_does_harm_is_refused(well_trained, tmp_path, monkeypatch):
    good = quantize.int8

    def calibrated_on_black(content, images, integer_io):
        return good(content, np.zeros_like(images), integer_io)

    monkeypatch.setattr(quantize, "int8", calibrated_on_black)
    with pytest.raises(
        VerificationError,
        match=r"^TFLite int8, serving_default: disagrees with the trained model: on \d+ of 100 "
        r"images a probability is off by more than rounding does .* margins are 0\.2",
    ):
        export(
            well_trained, tmp_path, "--tflite_variants=int8", "--calibration_images=50",
            "--split=test[:100]",
        )  # fmt: skip
    assert published(tmp_path) == []


@pytest.mark.long
def test_damaged_training_images_may_be_left_out_of_the_calibration(
    well_trained, data_dir, tmp_path
):
    shutil.copytree(data_dir, tmp_path / "data")
    shard = next((tmp_path / "data").glob("tiny_digits/*/*-train.tfrecord-00000-*"))
    content = bytearray(shard.read_bytes())
    content[200 * (len(content) // 400) + 100] ^= 0xFF  # In the pixels of record 200.
    shard.write_bytes(content)
    flags = (f"--data_dir={tmp_path / 'data'}", "--tflite_variants=int8")
    with pytest.raises(DataError, match="leave it out with --max_corrupt_records=N"):
        export(well_trained, tmp_path / "a", *flags)
    more = ("--max_corrupt_records=1", "--calibration_images=250", "--split=train[1100:]")
    assert export(well_trained, tmp_path / "b", *flags, *more)["version"] == 1


def test_a_bad_model_is_refused(well_trained, tmp_path):
    with pytest.raises(VerificationError, match=r"below --min_accuracy=0\.999; nothing"):
        export(well_trained, tmp_path, "--min_accuracy=0.999", "--split=test")
    assert published(tmp_path) == []


def test_integers_in_and_out(for_devices, test_images):
    interpreter = artifacts.interpreter(for_devices.int8)
    runner = interpreter.get_signature_runner("serving_default")
    images, outputs = runner.get_input_details()["images"], runner.get_output_details()
    assert (images["dtype"], images["quantization"]) == (np.int8, (1.0, -128))
    assert list(outputs) == ["probabilities"]
    assert outputs["probabilities"]["quantization"] == (1 / 256, -128)
    operations = {operation["op_name"] for operation in interpreter._get_ops_details()}
    assert not operations & {"CAST", "QUANTIZE", "DEQUANTIZE"}
    pixels, labels = test_images
    signed = (pixels.astype(np.int16) - 128).astype(np.int8)
    classes = [runner(images=image[None])["probabilities"][0].argmax() for image in signed]
    assert (np.array(classes) == labels).mean() > 0.7


def test_another_batch_size(well_trained, test_images, tmp_path):
    more = ("--tflite_batch_size=7", "--tflite_variants=float16,mediapipe")
    result = export(well_trained, tmp_path, *more, "--explain")
    paths, (float16, _) = result["artifacts"], result["layers"]
    assert 0 < float16["layers"][-1]["relative"] < float16["limit"]
    classifier = artifacts.open_tflite(Path(paths["tflite_float16"]))
    assert classifier.run(test_images[0][:10])["probabilities"].shape == (10, 10)
    (images,) = artifacts.interpreter(Path(paths["tflite_mediapipe"])).get_input_details()
    assert list(images["shape"]) == [1, 28, 28, 3]  # MediaPipe takes one image.


def test_an_unfinished_run_is_not_exported(well_trained, tmp_path):
    run = Run(tmp_path / "run")
    run.workdir.mkdir()
    run.config.write_text(Run(well_trained.workdir).config.read_text())
    with pytest.raises(UserError, match="is not finished: the same digitline train command again"):
        export(run, tmp_path)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--formats=tflight", "unknown formats 'tflight'; did you mean tflite?"),
        ("--tflite_variants=int4", "unknown tflite_variants 'int4'; did you mean int8?"),
        ("--formats=", "--formats=: at least one was expected of saved_model,tflite,onnx"),
        ("--model_name=a/b", "--model_name=a/b"),
        ("--split=none", "no split 'none'"),
        (["--explain", "--formats=saved_model"], "--explain needs tflite or onnx in --formats"),
        ("--c_header", "--c_header needs tflite in --formats and int8 in --tflite_variants"),
        (
            ["--c_header", "--tflite_variants=int8"],
            "--c_header needs --tflite_io=int8: TensorFlow Lite Micro runs no file that takes",
        ),
    ],
)
def test_rejects_wrong_flags(flag, message, well_trained, tmp_path):
    with pytest.raises(UsageError, match=re.escape(message)):
        export(well_trained, tmp_path, *([flag] if isinstance(flag, str) else flag))
    assert published(tmp_path) == []

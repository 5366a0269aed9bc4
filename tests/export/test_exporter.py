import dataclasses
import hashlib
import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError, UserError, VerificationError
from digitline.base.tf import keras, tf
from digitline.export import exporter, functions, signatures
from digitline.export import flags as export_flags
from digitline.export.formats import metadata, quantize, saved_model, tflite
from digitline.export.formats import table as formats
from digitline.models.run import Run
from digitline.serving import artifacts as runtime

from support import call, digitline, python


def export(well_trained, export_dir, *more):
    arguments = [
        f"--workdir={well_trained.workdir}", f"--export_dir={export_dir}",
        "--tflite_variants=float32", *more,
    ]  # fmt: skip
    return call(exporter.COMMAND, arguments)


def published(export_dir):
    """What a server or an app could find."""
    return [path for path in export_dir.glob("*/*/*") if ".staging" not in path.parts]


def test_the_export_folder(exported):
    root = exported.export_dir
    names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert names - {".lock"} == {
        "saved_model/lenet5/1/saved_model.pb",
        "saved_model/lenet5/1/fingerprint.pb",
        "saved_model/lenet5/1/variables/variables.index",
        "saved_model/lenet5/1/variables/variables.data-00000-of-00001",
        "saved_model/lenet5/1/assets/labels.txt",
        "saved_model/lenet5/1/assets.extra/samples.json",
        "saved_model/lenet5/1/assets.extra/samples.png",
        "saved_model/lenet5/1/assets.extra/digitline.json",
        "saved_model/lenet5/1/assets.extra/tf_serving_warmup_requests",
        "tflite/lenet5/1/model.tflite",
        "tflite/lenet5/1/model_float16.tflite",
        "tflite/lenet5/1/model_dynamic_int8.tflite",
        "tflite/lenet5/1/model_int8.tflite",
        "tflite/lenet5/1/labels.txt",
        "tflite/lenet5/1/manifest.json",
        "tflite/lenet5/1/MODEL_CARD.md",
    }
    assert (exported.tflite.parent / "labels.txt").read_text().split() == list("0123456789")


# Loads the artifacts with plain TensorFlow and plain LiteRT, without digitline.
PLAIN = """
import sys
sys.modules["digitline"] = None
import numpy as np
images = np.load(sys.argv[3])
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
assert list(signature.structured_input_signature[1]) == ["images"]
found = {key: value.numpy() for key, value in signature(images=tf.constant(images)).items()}
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[2])
runner = interpreter.get_signature_runner("serving_default")
detail = runner.get_input_details()["images"]
assert detail["dtype"] == np.uint8 and list(detail["shape"]) == [1, 28, 28, 1], detail
lite = [runner(images=image[None]) for image in images]
np.savez(sys.argv[4], **found,
         lite_probabilities=np.concatenate([each["probabilities"] for each in lite]),
         lite_classes=np.concatenate([each["classes"] for each in lite]))
"""


def test_plain_tensorflow_and_plain_litert_get_the_models_answers(
    exported, well_trained, test_images, tmp_path
):
    images, labels = test_images
    np.save(tmp_path / "images.npy", images)
    done = python(
        PLAIN,
        exported.saved_model,
        exported.tflite,
        tmp_path / "images.npy",
        tmp_path / "found.npz",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    config, model = Run(well_trained.workdir).load()
    expected = tf.nn.softmax(model(config.preprocess(images))).numpy()
    for prefix in ("", "lite_"):
        assert found[f"{prefix}probabilities"].dtype == np.float32
        assert found[f"{prefix}classes"].dtype == (np.int32 if prefix else np.int64)
        np.testing.assert_allclose(found[f"{prefix}probabilities"], expected, atol=1e-4)
        np.testing.assert_array_equal(found[f"{prefix}classes"], expected.argmax(1))
    assert (found["classes"] == labels).mean() > 0.7


def test_the_flags_formats_are_those_that_are_there():
    assert formats.NAMES == export_flags.FORMATS
    assert tuple(tflite.VARIANTS) == export_flags.VARIANTS


def test_manifest_describes_the_files(exported):
    manifest = json.loads((exported.tflite.parent / "manifest.json").read_text())
    content = exported.tflite.read_bytes()
    fact = manifest["files"]["model.tflite"]
    described = {each["path"]: each["signatures"] for each in manifest["artifacts"]}
    shape = described["model_int8.tflite"]["serving_default"]["inputs"]["images"]
    assert shape == {"dtype": "uint8", "shape": [1, 28, 28, 1]}
    assert fact == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["run"]["recipe"]["epochs"] == 15
    rows = manifest["verified_on"]["comparisons"]
    assert [(row["artifact"], row["signature"]) for row in rows] == [
        *[("SavedModel", signature.name) for signature in signatures.SAVED_MODEL],
        *[(f"TFLite {name}", "serving_default") for name in export_flags.VARIANTS[:-1]],
    ]
    assert all(row["agrees"] and row["examples"] == 1100 for row in rows)
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


def test_the_card_says_what_was_verified(exported):
    card = (exported.tflite.parent / "MODEL_CARD.md").read_text()
    assert "| TFLite float32 | `serving_default` | 9" in card
    assert f"| `model.tflite` | {exported.tflite.stat().st_size:,} |" in card
    assert "Ranges of int8: from 500 images of `train[100:]`." in card
    assert "\n| 7 | " in card  # Precision, recall and F1 of a class.
    run = json.loads((exported.tflite.parent / "manifest.json").read_text())["run"]
    assert f"fingerprint `{run['dataset']['fingerprint']}`" in card
    for signature in (*signatures.SAVED_MODEL, signatures.TFLITE_DEFAULT):
        for tensor in (signature.input, *signature.outputs):
            assert f"`{tensor.name}` {tensor.dtype}" in card
    assert "Signature `classify` of SavedModel:" in card
    assert "Signature `serving_default` of TFLite float32, TFLite float16, TFLite" in card


def test_versions_names_and_formats(well_trained, tmp_path):
    assert export(well_trained, tmp_path)["version"] == 1
    assert export(well_trained, tmp_path, "--formats=tflite")["version"] == 2
    assert export(well_trained, tmp_path, "--model_name=digits")["version"] == 1
    assert export(well_trained, tmp_path, "--version=40")["version"] == 40
    found = {str(path.relative_to(tmp_path)) for path in published(tmp_path)}
    assert "saved_model/lenet5/2" not in found
    assert {"tflite/lenet5/2", "saved_model/digits/1", "saved_model/lenet5/40"} <= found
    with pytest.raises(UserError, match="is there already; versions are never changed"):
        export(well_trained, tmp_path, "--version=40")


def convert_without_weights(subject, folder, options):
    """The trap: a Keras 3 model in a plain tf.Module loses its weights in conversion."""

    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = subject.model

        @tf.function(input_signature=[tf.TensorSpec((1, 28, 28, 1), tf.uint8, name="images")])
        def serve(self, images):
            return functions.serving_default(subject)(images)

    plain = Plain()
    source = folder.parent / "plain"
    tf.saved_model.save(plain, str(source), signatures={"serving_default": plain.serve})
    folder.mkdir()
    content = tflite.from_saved_model(source)
    content = metadata.add(content, signatures.TFLITE_DEFAULT, subject.label_names, "plain")
    for variant in options.variants:
        (folder / variant.file).write_bytes(content)
    saved_model.write_labels(folder / "labels.txt", subject.label_names)


def really_write(subject, folder, *options):
    is_tflite = bool(options) and isinstance(options[0], tflite.Options)
    (REAL_TFLITE if is_tflite else REAL_SAVED_MODEL)(subject, folder, *options)


def with_weights(change):
    def write(subject, folder, *options):
        other = keras.models.clone_model(subject.model)
        other.set_weights([change(value) for value in subject.model.get_weights()])
        changed = dataclasses.replace(subject, model=other)
        really_write(changed, folder, *options)

    return write


# The same fault for certain, whatever the converter's version does with the trap.
blank_weights = with_weights(np.zeros_like)
# A step or two of training before or after.
stale_weights = with_weights(lambda value: value * np.float32(1.01))


def with_preprocess(change):
    def write(subject, folder, *options):
        changed = dataclasses.replace(subject, preprocess=change(subject.preprocess))
        really_write(changed, folder, *options)

    return write


wrong_normalization = with_preprocess(
    lambda preprocess: dataclasses.replace(preprocess, mean=0.0, std=1.0)
)


@dataclasses.dataclass(frozen=True)
class Transposed:
    preprocess: object

    @property
    def image_shape(self):
        return self.preprocess.image_shape

    def __call__(self, images):
        return self.preprocess(tf.transpose(images, [0, 2, 1, 3]))


def one_signature(signature, change):
    """The fault is in one signature alone."""
    real = saved_model.FUNCTIONS[signature]

    def write(subject, folder, *options):
        changed = lambda given: change(real(given))  # noqa: E731
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(saved_model.FUNCTIONS, signature, changed)
            REAL_SAVED_MODEL(subject, folder, *options)

    return write


def rounded_down(function):
    """Pixels of the tutorial's client, cut to whole numbers: some are one too low."""
    return lambda images: function(tf.floor(images * 254) / 255)


def without_bias(function):
    return lambda images: {
        name: value - tf.range(10.0) * 0.1 if name == "07_logits" else value
        for name, value in function(images).items()
    }


def upside_down(function):
    return lambda image_bytes: {
        **function(image_bytes),
        "classes": 9 - function(image_bytes)["classes"],
    }


def swapped_labels(subject, folder, *options):
    names = (*subject.label_names[:-2], subject.label_names[-1], subject.label_names[-2])
    changed = dataclasses.replace(subject, label_names=names)
    really_write(changed, folder, *options)


def swapped_labels_in_the_graph(subject, folder, *options):
    swapped_labels(subject, folder, *options)
    saved_model.write_labels(folder / "assets" / "labels.txt", subject.label_names)


REAL_TFLITE, REAL_SAVED_MODEL = tflite.write, saved_model.write


@pytest.mark.parametrize(
    ("module", "fault", "artifact"),
    [
        (tflite, convert_without_weights, "TFLite float32, serving_default"),
        (tflite, blank_weights, "TFLite float32, serving_default"),
        (tflite, wrong_normalization, "TFLite float32, serving_default"),
        (saved_model, stale_weights, "SavedModel, serving_default"),
        (saved_model, wrong_normalization, "SavedModel, serving_default"),
        (saved_model, with_preprocess(Transposed), "SavedModel, serving_default"),
        (
            saved_model,
            one_signature(signatures.PREDICT_IMAGES, rounded_down),
            "SavedModel, predict_images",
        ),
        (
            saved_model,
            one_signature(signatures.PREDICT_BYTES, upside_down),
            "SavedModel, predict_bytes",
        ),
        (saved_model, swapped_labels_in_the_graph, "SavedModel, classify"),
        (
            saved_model,
            one_signature(signatures.ACTIVATIONS, without_bias),
            "SavedModel, activations",
        ),
    ],
)
def test_a_planted_fault_is_refused(module, fault, artifact, well_trained, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "write", fault)
    with pytest.raises(VerificationError) as caught:
        export(well_trained, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{artifact}: disagrees with the trained model")
    assert "of 300 images a probability is off" in message
    assert "first images: " in message
    assert published(tmp_path) == []
    assert not (tmp_path / ".staging").exists()
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("module", [saved_model, tflite])
def test_labels_in_another_order_are_refused(module, well_trained, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "write", swapped_labels)
    with pytest.raises(VerificationError, match=r"its labels are .*7, 9, 8, the dataset's 0, 1"):
        export(well_trained, tmp_path)
    assert published(tmp_path) == []


def test_a_quantizer_that_does_harm_is_refused(well_trained, tmp_path, monkeypatch):
    good = quantize.int8

    def calibrated_on_black(content, images, integer_io):
        return good(content, np.zeros_like(images), integer_io)

    monkeypatch.setattr(quantize, "int8", calibrated_on_black)
    with pytest.raises(VerificationError) as caught:
        export(well_trained, tmp_path, "--tflite_variants=int8")
    message = str(caught.value)
    assert message.startswith("TFLite int8, serving_default: disagrees with the trained model: ")
    assert "its accuracy may be off by 0.3 points; " in message
    assert published(tmp_path) == []


def test_damaged_training_images_may_be_left_out_of_the_calibration(
    well_trained, data_dir, tmp_path
):
    shutil.copytree(data_dir, tmp_path / "data")
    shard = next((tmp_path / "data").glob("tiny_digits/*/*-train.tfrecord-00000-*"))
    content = bytearray(shard.read_bytes())
    content[200 * (len(content) // 400) + 100] ^= 0xFF  # In the pixels of record 200.
    shard.write_bytes(content)
    given = (f"--data_dir={tmp_path / 'data'}", "--formats=tflite", "--tflite_variants=int8")
    with pytest.raises(DataError, match="leave it out with --max_corrupt_records=N"):
        export(well_trained, tmp_path / "a", *given)
    more = ("--max_corrupt_records=1", "--split=train[800:]")
    assert export(well_trained, tmp_path / "b", *given, *more)["version"] == 1


def test_a_bad_model_is_refused(well_trained, tmp_path):
    with pytest.raises(VerificationError, match=r"below --min_accuracy=0\.999; nothing"):
        export(well_trained, tmp_path, "--min_accuracy=0.999")
    assert published(tmp_path) == []


def test_integers_in_and_out(well_trained, test_images, tmp_path):
    result = export(
        well_trained, tmp_path, "--formats=tflite", "--tflite_variants=int8",
        "--tflite_io=int8", "--split=train[100:]",
    )  # fmt: skip
    interpreter = runtime.interpreter(Path(result["artifacts"]["tflite_int8"]))
    runner = interpreter.get_signature_runner("serving_default")
    given, gives = runner.get_input_details()["images"], runner.get_output_details()
    assert (given["dtype"], given["quantization"]) == (np.int8, (1.0, -128))
    assert list(gives) == ["probabilities"]
    assert gives["probabilities"]["quantization"] == (1 / 256, -128)
    operations = {each["op_name"] for each in interpreter._get_ops_details()}
    assert not operations & {"CAST", "QUANTIZE", "DEQUANTIZE"}
    images, labels = test_images
    signed = (images.astype(np.int16) - 128).astype(np.int8)
    found = [runner(images=image[None])["probabilities"][0].argmax() for image in signed]
    assert (np.array(found) == labels).mean() > 0.7


def test_another_batch_size(well_trained, test_images, tmp_path):
    more = ("--formats=tflite", "--tflite_batch_size=7", "--tflite_variants=float32,float16")
    for path in export(well_trained, tmp_path, *more)["artifacts"].values():
        found = runtime.open_tflite(path if isinstance(path, Path) else Path(path))
        assert found.run(test_images[0][:10])["probabilities"].shape == (10, 10)


def test_a_refusal_leaves_what_was_published_before(well_trained, tmp_path, monkeypatch):
    export(well_trained, tmp_path)
    before = sorted(published(tmp_path))
    monkeypatch.setattr(saved_model, "write", wrong_normalization)
    with pytest.raises(VerificationError):
        export(well_trained, tmp_path)
    assert sorted(published(tmp_path)) == before


KILLED = """
import os, signal, sys
from digitline.export import exporter
from digitline.export.formats import tflite
from digitline.export.publication import publish
def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
module, name = {"write": (tflite, "write"), "publish": (publish, "publish")}[sys.argv[1]]
setattr(module, name, dies)
from digitline.base import command
command.main(exporter.COMMAND, ["digitline export", *sys.argv[2:]])
"""


@pytest.mark.parametrize("moment", ["write", "publish"])
def test_a_kill_publishes_nothing_and_the_next_export_starts_clean(moment, well_trained, tmp_path):
    arguments = [
        f"--workdir={well_trained.workdir}", f"--export_dir={tmp_path}",
        "--tflite_variants=float32",
    ]  # fmt: skip
    done = python(KILLED, moment, *arguments, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    assert published(tmp_path) == []
    assert (tmp_path / ".staging").exists()
    again = digitline("export", *arguments, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["version"] == 1
    assert not (tmp_path / ".staging").exists()


def test_an_unfinished_run_is_not_exported(well_trained, tmp_path):
    run = Run(tmp_path / "run")
    run.workdir.mkdir()
    run.config.write_text(Run(well_trained.workdir).config.read_text())
    with pytest.raises(UserError, match="is not finished: the same digitline train command again"):
        call(exporter.COMMAND, [f"--workdir={run.workdir}", f"--export_dir={tmp_path}"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--formats=tflight", "--formats: unknown word 'tflight'; did you mean tflite?"),
        ("--tflite_variants=int4", "--tflite_variants: unknown word 'int4'; did you mean int8?"),
        ("--formats=", "--formats is empty"),
        ("--model_name=a/b", "--model_name=a/b"),
        ("--split=none", "no split 'none'"),
    ],
)
def test_mistakes(flag, message, well_trained, tmp_path):
    with pytest.raises(UsageError, match=message):
        export(well_trained, tmp_path, flag)
    assert published(tmp_path) == []

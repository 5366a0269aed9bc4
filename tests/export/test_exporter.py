import dataclasses
import hashlib
import json
import signal

import numpy as np
import pytest

from digitline.base import command
from digitline.base.errors import UsageError, UserError, VerificationError
from digitline.base.tf import keras, tf
from digitline.export import exporter, formats, publish, saved_model, signatures, tflite
from digitline.models.run import Run

from support import digitline, python


def export(trained, export_dir, *more):
    arguments = [f"--workdir={trained.workdir}", f"--export_dir={export_dir}", *more]
    return command.call(exporter.COMMAND, arguments)


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
        "saved_model/lenet5/1/assets.extra/digitline.json",
        "tflite/lenet5/1/model.tflite",
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
    exported, trained, test_images, tmp_path
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
    config, model = Run(trained.workdir).load()
    expected = tf.nn.softmax(model(config.preprocess(images))).numpy()
    for prefix in ("", "lite_"):
        assert found[f"{prefix}probabilities"].dtype == np.float32
        assert found[f"{prefix}classes"].dtype == np.int64
        np.testing.assert_allclose(found[f"{prefix}probabilities"], expected, atol=1e-4)
        np.testing.assert_array_equal(found[f"{prefix}classes"], expected.argmax(1))
    assert (found["classes"] == labels).mean() > 0.7


def test_the_flags_formats_are_those_that_are_there():
    assert formats.NAMES == exporter._FORMATS == publish.KINDS


def test_manifest_describes_the_files(exported):
    manifest = json.loads((exported.tflite.parent / "manifest.json").read_text())
    content = exported.tflite.read_bytes()
    fact = manifest["files"]["model.tflite"]
    shape = manifest["signatures"]["serving_default"]["inputs"]["images"]
    assert shape == {"dtype": "uint8", "shape": [1, 28, 28, 1]}
    assert fact == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["run"]["recipe"]["epochs"] == 3
    assert [row["agrees"] for row in manifest["verified_on"]["comparisons"]] == [True, True]
    beside = json.loads((exported.saved_model / "assets.extra/digitline.json").read_text())
    assert beside["files"]["assets/labels.txt"]["bytes"] == 20
    assert beside["run"] == manifest["run"]


def test_the_card_says_what_was_verified(exported):
    card = (exported.tflite.parent / "MODEL_CARD.md").read_text()
    assert "| TFLite float32 | `serving_default` | 300 |" in card
    for tensor in (*signatures.SERVING_DEFAULT.inputs, *signatures.SERVING_DEFAULT.outputs):
        assert f"`{tensor.name}` {tensor.dtype}" in card


def test_versions_names_and_formats(trained, tmp_path):
    assert export(trained, tmp_path)["version"] == 1
    assert export(trained, tmp_path, "--formats=tflite")["version"] == 2
    assert export(trained, tmp_path, "--model_name=digits")["version"] == 1
    assert export(trained, tmp_path, "--version=40")["version"] == 40
    found = {str(path.relative_to(tmp_path)) for path in published(tmp_path)}
    assert "saved_model/lenet5/2" not in found
    assert {"tflite/lenet5/2", "saved_model/digits/1", "saved_model/lenet5/40"} <= found
    with pytest.raises(UserError, match="is there already; versions are never changed"):
        export(trained, tmp_path, "--version=40")


def convert_without_weights(model, preprocess, label_names, folder):
    """The trap: a Keras 3 model in a plain tf.Module loses its weights in conversion."""

    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        @tf.function(input_signature=[tf.TensorSpec((1, 28, 28, 1), tf.uint8, name="images")])
        def serve(self, images):
            return saved_model.serving_default(self.model, preprocess)(images)

    plain = Plain()
    source = folder.parent / "plain"
    tf.saved_model.save(plain, str(source), signatures={"serving_default": plain.serve})
    folder.mkdir()
    content = tflite._convert(source)
    (folder / tflite.FLOAT32).write_bytes(content)
    saved_model.write_labels(folder / tflite.LABELS, label_names)


def with_blank_weights(model, preprocess, label_names, folder):
    """The same fault for certain, whatever the converter's version does with the trap."""
    blank = keras.models.clone_model(model)
    blank.set_weights([np.zeros_like(value) for value in model.get_weights()])
    REAL_TFLITE(blank, preprocess, label_names, folder)


def with_wrong_normalization(model, preprocess, label_names, folder, **options):
    wrong = dataclasses.replace(preprocess, mean=0.0, std=1.0)
    REAL_SAVED_MODEL(model, wrong, label_names, folder, **options)


def with_transposed_images(model, preprocess, label_names, folder, **options):
    @dataclasses.dataclass(frozen=True)
    class Transposed:
        image_shape: tuple

        def __call__(self, images):
            return preprocess(tf.transpose(images, [0, 2, 1, 3]))

    REAL_SAVED_MODEL(model, Transposed(preprocess.image_shape), label_names, folder, **options)


REAL_TFLITE, REAL_SAVED_MODEL = tflite.write, saved_model.write


@pytest.mark.parametrize(
    ("module", "fault", "artifact"),
    [
        (tflite, convert_without_weights, "TFLite float32"),
        (tflite, with_blank_weights, "TFLite float32"),
        (saved_model, with_wrong_normalization, "SavedModel"),
        (saved_model, with_transposed_images, "SavedModel"),
    ],
)
def test_a_planted_fault_is_refused(module, fault, artifact, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "write", fault)
    with pytest.raises(VerificationError) as caught:
        export(trained, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{artifact}, serving_default: disagrees with the trained model")
    assert "of 300 images a probability is off" in message
    assert published(tmp_path) == []
    assert not (tmp_path / ".staging").exists()
    assert caught.value.exit_code == 1


def test_a_refusal_leaves_what_was_published_before(trained, tmp_path, monkeypatch):
    export(trained, tmp_path)
    before = sorted(published(tmp_path))
    monkeypatch.setattr(saved_model, "write", with_wrong_normalization)
    with pytest.raises(VerificationError):
        export(trained, tmp_path)
    assert sorted(published(tmp_path)) == before


KILLED = """
import os, signal, sys
from digitline.export import exporter, publish, tflite
def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
module, name = {"write": (tflite, "write"), "publish": (publish, "publish")}[sys.argv[1]]
setattr(module, name, dies)
from digitline.base import command
command.main(exporter.COMMAND, ["digitline export", *sys.argv[2:]])
"""


@pytest.mark.parametrize("moment", ["write", "publish"])
def test_a_kill_publishes_nothing_and_the_next_export_starts_clean(moment, trained, tmp_path):
    arguments = [f"--workdir={trained.workdir}", f"--export_dir={tmp_path}"]
    done = python(KILLED, moment, *arguments, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    assert published(tmp_path) == []
    assert (tmp_path / ".staging").exists()
    again = digitline("export", *arguments, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["version"] == 1
    assert not (tmp_path / ".staging").exists()


def test_an_unfinished_run_is_not_exported(trained, tmp_path):
    run = Run(tmp_path / "run")
    run.workdir.mkdir()
    run.config.write_text(Run(trained.workdir).config.read_text())
    with pytest.raises(UserError, match="is not finished: the same digitline train command again"):
        command.call(exporter.COMMAND, [f"--workdir={run.workdir}", f"--export_dir={tmp_path}"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--formats=tflight", "unknown format 'tflight'; did you mean tflite?"),
        ("--formats=", "--formats is empty"),
        ("--model_name=a/b", "--model_name=a/b"),
        ("--split=none", "no split 'none'"),
    ],
)
def test_mistakes(flag, message, trained, tmp_path):
    with pytest.raises(UsageError, match=message):
        export(trained, tmp_path, flag)
    assert published(tmp_path) == []

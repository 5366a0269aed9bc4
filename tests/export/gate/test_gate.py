"""Planted faults: what the gate refuses, though it was written without an error."""

import dataclasses
import re

import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.base.tf import keras, tf
from digitline.export import functions, options, signatures
from digitline.export.formats import metadata, saved_model, tflite
from digitline.export.gate.gate import CLAIMS, check

OPTIONS = options.ExportOptions(tflite_variants=("float32",))


def verify_saved_model(reference, written, folder):
    """Writes a SavedModel of one model, and compares it with another."""
    saved_model.write(written, folder)
    return check(saved_model.ARTIFACT, OPTIONS, folder, reference)


def verify_tflite(reference, written, folder):
    tflite.write(written, folder, OPTIONS)
    (artifact,) = tflite.artifacts(OPTIONS)
    return check(artifact, OPTIONS, folder, reference)


def with_weights(change):
    def fault(trained):
        model = keras.models.clone_model(trained.model)
        model.set_weights([change(value) for value in trained.model.get_weights()])
        return dataclasses.replace(trained, model=model)

    return fault


blank_weights = with_weights(np.zeros_like)
# A step or two of training before or after.
stale_weights = with_weights(lambda value: value * np.float32(1.01))


def wrong_normalization(trained):
    preprocess = dataclasses.replace(trained.preprocess, mean=0.0, std=1.0)
    return dataclasses.replace(trained, preprocess=preprocess)


@dataclasses.dataclass(frozen=True)
class Transposed:
    preprocess: object

    @property
    def image_shape(self):
        return self.preprocess.image_shape

    def __call__(self, images):
        return self.preprocess(tf.transpose(images, [0, 2, 1, 3]))


def transposed(trained):
    return dataclasses.replace(trained, preprocess=Transposed(trained.preprocess))


def swapped_labels(trained):
    *names, eight, nine = trained.label_names
    return dataclasses.replace(trained, label_names=(*names, nine, eight))


def assert_refused(caught, artifact):
    message = str(caught.value)
    assert message.startswith(f"{artifact}: disagrees with the trained model")
    assert re.search(
        r"on \d+ of 60 images a probability is off|60 of 60 images get another", message
    )
    assert "first images: " in message
    assert message.endswith("nothing was published")


@pytest.mark.parametrize(
    ("verify", "fault", "artifact"),
    [
        (verify_tflite, blank_weights, "TFLite float32, serving_default"),
        (verify_tflite, wrong_normalization, "TFLite float32, serving_default"),
        (verify_saved_model, stale_weights, "SavedModel, serving_default"),
        (verify_saved_model, wrong_normalization, "SavedModel, serving_default"),
        (verify_saved_model, transposed, "SavedModel, serving_default"),
    ],
)
def test_refuses_another_model(verify, fault, artifact, reference, trained_model, tmp_path):
    with pytest.raises(VerificationError, match="disagrees") as caught:
        verify(reference, fault(trained_model), tmp_path / "made")
    assert_refused(caught, artifact)


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


@pytest.mark.parametrize(
    ("signature", "change"),
    [
        (signatures.PREDICT_IMAGES, rounded_down),
        (signatures.PREDICT_BYTES, upside_down),
        (signatures.ACTIVATIONS, without_bias),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_refuses_a_fault_in_one_signature(
    signature, change, reference, trained_model, tmp_path, monkeypatch
):
    real = saved_model.FUNCTIONS[signature]
    monkeypatch.setitem(saved_model.FUNCTIONS, signature, lambda trained: change(real(trained)))
    with pytest.raises(VerificationError, match="disagrees") as caught:
        verify_saved_model(reference, trained_model, tmp_path / "made")
    assert_refused(caught, f"SavedModel, {signature.name}")


def test_refuses_swapped_labels_in_the_graph(reference, trained_model, tmp_path, monkeypatch):
    write = saved_model.write_description
    monkeypatch.setattr(
        saved_model, "write_description", lambda folder, _: write(folder, trained_model)
    )
    with pytest.raises(VerificationError, match=r"^SavedModel, classify: disagrees"):
        verify_saved_model(reference, swapped_labels(trained_model), tmp_path / "made")


@pytest.mark.parametrize("verify", [verify_saved_model, verify_tflite])
def test_refuses_labels_in_another_order(verify, reference, trained_model, tmp_path):
    with pytest.raises(
        VerificationError, match=r"its labels are .*7, 9, 8, the dataset's are 0, 1"
    ):
        verify(reference, swapped_labels(trained_model), tmp_path / "made")


def test_refuses_other_labels_inside_a_file(reference, trained_model, tmp_path, monkeypatch):
    add = metadata.add
    other = dataclasses.replace(trained_model, label_names=("7",))
    monkeypatch.setattr(metadata, "add", lambda *arguments: add(*arguments[:2], other, "d"))
    with pytest.raises(VerificationError, match=r"^model\.tflite: its labels are 7 inside, 0, 1"):
        verify_tflite(reference, trained_model, tmp_path / "made")


def test_refuses_a_model_that_lost_its_weights_in_conversion(reference, trained_model, tmp_path):
    """The trap: a Keras 3 model in a plain tf.Module loses its weights in conversion."""

    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = trained_model.model

        @tf.function(input_signature=[tf.TensorSpec((1, 28, 28, 1), tf.uint8, name="images")])
        def serve(self, images):
            return functions.serving_default(trained_model, tf.int32)(images)

    plain = Plain()
    tf.saved_model.save(plain, str(tmp_path / "plain"), {"serving_default": plain.serve})
    content = tflite.from_saved_model(tmp_path / "plain")
    saved_model.write_description(tmp_path, trained_model)
    (tmp_path / "model.tflite").write_bytes(
        metadata.add(content, signatures.TFLITE_DEFAULT, trained_model, "plain")
    )
    (artifact,) = tflite.artifacts(OPTIONS)
    with pytest.raises(VerificationError, match=r"serving_default: its graph holds VAR_HANDLE"):
        check(artifact, OPTIONS, tmp_path, reference)


def test_the_docs_list_the_claims(testdata):
    text = (testdata.parent.parent / "docs/gate.md").read_text()
    words = " ".join(text.split())
    assert [claim.text for claim in CLAIMS if claim.text not in words] == []

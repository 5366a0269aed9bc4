"""The trap of conversion; `tests/faults/export` plants all other faults."""

import pytest

from digitline.base.errors import VerificationError
from digitline.base.tf import tf
from digitline.export import functions, options, signatures
from digitline.export.formats import metadata, saved_model, tflite
from digitline.export.gate.gate import CLAIMS, start

OPTIONS = options.ExportOptions(tflite_variants=("float32",))


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
        start(artifact, OPTIONS, tmp_path, reference)()


def test_the_docs_list_the_claims(testdata):
    text = (testdata.parent.parent / "docs/gate.md").read_text()
    words = " ".join(text.split())
    assert [claim.text for claim in CLAIMS if claim.text not in words] == []

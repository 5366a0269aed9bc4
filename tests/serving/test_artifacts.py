import re

import numpy as np
import pytest

from digitline.base.errors import UserError
from digitline.serving import artifacts


def test_a_base_path_stands_for_its_newest_version(exported):
    found = artifacts.open_saved_model(exported.saved_model.parent)
    assert found.path == exported.saved_model
    assert found.labels == tuple("0123456789")
    assert found.image_shape == (28, 28, 1)


def test_any_number_of_images(exported, test_images):
    images = test_images[0]
    for classifier in (
        artifacts.open_saved_model(exported.saved_model),
        artifacts.open_tflite(exported.tflite),
    ):
        whole = classifier.run(images)
        assert whole["probabilities"].shape == (300, 10)
        single = classifier.run(images[7:8])
        np.testing.assert_allclose(single["probabilities"][0], whole["probabilities"][7], atol=1e-5)


def test_rejects_what_is_not_a_model(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_text("no model")
    (tmp_path / "model.tflite").write_text("no model")
    for open_artifact, path, message in (
        (artifacts.open_saved_model, tmp_path / "none", "no such folder"),
        (artifacts.open_saved_model, tmp_path / "empty", "neither a SavedModel nor a folder"),
        (artifacts.open_saved_model, tmp_path / "broken", "not a SavedModel that loads"),
        (artifacts.open_tflite, tmp_path / "none.tflite", "no such file"),
        (artifacts.open_tflite, tmp_path / "model.tflite", "not a TFLite file that loads"),
    ):
        with pytest.raises(UserError, match=f"^{re.escape(str(path))}: .*{message}"):
            open_artifact(path)


def test_rejects_a_model_with_another_signature(tmp_path):
    from digitline.base.tf import tf

    module = tf.Module()
    module.call = tf.function(
        lambda x: {"y": x}, input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")]
    )
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.call})
    with pytest.raises(UserError, match=r"takes float32 \[None, 4\]; raw images were expected"):
        artifacts.open_saved_model(tmp_path)

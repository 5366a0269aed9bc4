"""What the tests of exports share."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from digitline.base.tf import tf
from digitline.export.functions import TrainedModel
from digitline.models.run.folder import Run

from support import export


@pytest.fixture(scope="session")
def trained_model(well_trained):
    """The model behind `exported`, as the exporter takes it. Do not change it."""
    config, model = Run(well_trained.workdir).load()
    return TrainedModel(model, config.preprocess, config.label_names, config.pictures)


@pytest.fixture(scope="session")
def expected(trained_model, test_images):
    """The trained model's own probabilities of the test images, float32 [300, 10]."""
    return tf.nn.softmax(trained_model.logits(test_images[0])).numpy()


@pytest.fixture(scope="session")
def for_devices(well_trained, tmp_path_factory):
    """An export of int8 with integers in and out, its C header, and MediaPipe's file."""
    result = export(
        well_trained,
        tmp_path_factory.mktemp("exports"),
        "--formats=tflite",
        "--tflite_variants=int8,mediapipe",
        "--tflite_io=int8",
        "--c_header",
        "--explain",
        "--split=train[100:200]",
    )
    return SimpleNamespace(
        result=result,
        int8=Path(result["artifacts"]["tflite_int8"]),
        mediapipe=Path(result["artifacts"]["tflite_mediapipe"]),
    )

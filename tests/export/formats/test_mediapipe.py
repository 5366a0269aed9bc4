"""The variant for MediaPipe: by MediaPipe's own Image Classifier where it is installed."""

import json
import zipfile

import numpy as np
import pytest

from digitline.base.errors import VerificationError
from digitline.base.pictures.config import PictureConfig
from digitline.base.tf import keras, tf
from digitline.data.pipeline.preprocess import Preprocess
from digitline.export import functions
from digitline.export.formats import mediapipe
from digitline.serving import artifacts

from support import export, python


@pytest.fixture(scope="module")
def file(for_devices):
    return for_devices.mediapipe


def test_the_file_takes_one_colour_image_and_carries_its_labels(file):
    assert file.name == "model_mediapipe.tflite"
    interpreter = artifacts.interpreter(file)
    (images,), (probabilities,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (images["dtype"], list(images["shape"])) == (np.float32, [1, 28, 28, 3])
    assert (probabilities["dtype"], list(probabilities["shape"])) == (np.float32, [1, 10])
    assert zipfile.ZipFile(file).read("labels.txt") == b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"


def test_it_passed_the_gate(for_devices):
    rows = {row["artifact"]: row for row in for_devices.result["verification"]}
    row = rows["TFLite mediapipe"]
    assert row["signature"] == "classify_rgb"
    assert row["agrees"]
    assert row["examples"] == 100
    assert row["tolerance"] == 1e-4
    assert row["agreement"] == 1


def test_the_gate_refuses_another_grey(well_trained, tmp_path, monkeypatch):
    monkeypatch.setattr(mediapipe, "_GREY", (0.29, 0.58, 0.11))
    with pytest.raises(VerificationError, match=r"^TFLite mediapipe, classify_rgb: disagrees with"):
        export(well_trained, tmp_path, "--formats=tflite", "--tflite_variants=mediapipe")


def test_images_of_three_channels_are_taken_as_they_are():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    preprocess = Preprocess((4, 4, 3), 4, 4)
    trained = functions.TrainedModel(
        model, preprocess, ("a", "b"), PictureConfig(preprocess.image_shape)
    )
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3)).astype(np.float32)
    outputs = mediapipe.classify_rgb(trained)(tf.constant(images))
    expected = functions.probabilities(trained)(tf.constant(images))
    np.testing.assert_array_equal(outputs["probabilities"], expected["probabilities"])


# MediaPipe alone, without digitline.
CLASSIFY = """
import json, sys
sys.modules["digitline"] = None
import numpy as np
from mediapipe import Image, ImageFormat
from mediapipe.tasks.python import vision
answers = {}
with vision.ImageClassifier.create_from_model_path(sys.argv[1]) as classifier:
    for name, images in np.load("images.npz").items():
        answers[name] = []
        for image in images:
            result = classifier.classify(Image(image_format=ImageFormat.SRGB, data=image.copy()))
            (head,) = result.classifications
            answers[name].append({each.category_name: each.score for each in head.categories})
json.dump(answers, open("answers.json", "w"))
"""


@pytest.fixture(scope="module")
def has_mediapipe():
    pytest.importorskip("mediapipe", reason="needs: pip install 'digitline[mediapipe]'")


@pytest.fixture(scope="module")
def answers(has_mediapipe, file, test_images, tmp_path_factory):
    """MediaPipe's scores by label, for each picture: the test images, and 50 of them enlarged."""
    folder = tmp_path_factory.mktemp("mediapipe")
    coloured = np.repeat(test_images[0], 3, axis=3)
    large = np.kron(coloured[:50], np.ones((1, 4, 4, 1), np.uint8))
    np.savez(folder / "images.npz", coloured=coloured, large=large)
    done = python(CLASSIFY, file, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "answers.json").read_text())


def test_mediapipe_gets_the_models_answers(answers, expected, test_images):
    rows, labels = answers["coloured"], test_images[1]
    # MediaPipe sorts the classes by score, and leaves none out.
    scores = np.array([[row[str(number)] for number in range(10)] for row in rows])
    np.testing.assert_allclose(scores, expected, atol=1e-3)
    best = [int(next(iter(row))) for row in rows]
    assert best == expected.argmax(axis=1).tolist()
    assert (np.array(best) == labels).mean() > 0.7


def test_mediapipe_takes_coloured_pictures_of_any_size(answers, test_images):
    best = np.array([int(next(iter(row))) for row in answers["large"]])
    assert (best == test_images[1][:50]).mean() > 0.7


@pytest.mark.usefixtures("has_mediapipe")
def test_mediapipes_own_reader_reads_the_metadata(file):
    from ai_edge_litert import schema_py_generated as schema
    from mediapipe.tasks.metadata import metadata_schema_py_generated as words

    model = schema.Model.GetRootAs(file.read_bytes(), 0)
    assert model.SubgraphsLength() == 1
    entries = [model.Metadata(number) for number in range(model.MetadataLength())]
    (number,) = [each.Buffer() for each in entries if each.Name() == b"TFLITE_METADATA"]
    content = model.Buffers(number).DataAsNumpy().tobytes()
    assert words.ModelMetadata.ModelMetadataBufferHasIdentifier(content, 0)
    model_metadata = words.ModelMetadataT.InitFromObj(words.ModelMetadata.GetRootAs(content, 0))
    assert model_metadata.minParserVersion == b"1.0.0"
    (subgraph,) = model_metadata.subgraphMetadata
    (images,), (probabilities,) = subgraph.inputTensorMetadata, subgraph.outputTensorMetadata
    assert images.name == b"images"
    assert images.content.contentProperties.colorSpace == words.ColorSpaceType.RGB
    (unit,) = images.processUnits
    assert (list(unit.options.mean), list(unit.options.std)) == ([0.0], [1.0])
    (labels,) = probabilities.associatedFiles
    assert labels.name == b"labels.txt"
    assert labels.type == words.AssociatedFileType.TENSOR_AXIS_LABELS
    assert zipfile.ZipFile(file).namelist() == [
        "labels.txt",
        "pictures.json",
        "certainty.json",
    ]

import keras_tutorial
import numpy as np
import pictures_to_tflite
import pytest

ROW = {
    "set": "vehicles", "classes": 5, "pictures": 1000, "test_pictures": 600,
    "network": "efficientnet_lite0", "seconds": 75.2, "train_seconds": 50.1, "export_seconds": 25.1,
    "float32": 0.95, "int8": 0.948, "bytes": 3_650_000, "image_ms": 20.3,
}  # fmt: skip
KERAS = {"keras": 0.5, "keras_seconds": 752.0, "keras_epochs": 60, "keras_best_epoch": 41}


def test_the_table_says_what_was_measured():
    shown = pictures_to_tflite.text({"rows": [ROW | KERAS]}).splitlines()[-1]
    assert " ".join(shown.split()) == "vehicles 75 (50 + 25) 95.0% 94.8% 3.65 20 50.0% 752, 60"
    without = pictures_to_tflite.text({"rows": [ROW]}).splitlines()[-1]
    assert "95.0%" in without
    assert without.count("–") == 2


@pytest.mark.long
def test_the_tutorials_network_learns_until_its_time_is_over():
    labels = np.arange(8) % 2
    images = np.repeat(labels * 200, 9).reshape(8, 3, 3, 1).repeat(3, 3).astype(np.uint8)
    pictures = keras_tutorial.Images(images, labels)
    network = keras_tutorial.trained(pictures, pictures, 0.0)
    assert (network.epochs, network.best_epoch) == (1, 1)
    assert network.seconds > 0
    assert 0 <= network.accuracy(pictures) <= 1

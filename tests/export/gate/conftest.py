"""What the gate's tests share."""

import pytest

from digitline.export.gate.reference import ask_model


@pytest.fixture(scope="session")
def reference(trained_model, test_images):
    """The trained model's answers to 60 test images, and to awkward ones."""
    images, labels = test_images
    return ask_model(trained_model, images[:60], labels[:60], images[60:])

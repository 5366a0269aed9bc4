import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.data.dataset import open_dataset
from digitline.data.prepare import COMMAND as PREPARE
from digitline.models import choice
from digitline.models.pretrained import imagenet
from digitline.models.training.options import TrainOptions

from support import call


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """Whether there are weights: as they say in this list, where there are none."""
    trouble = []

    def fetch():
        for cause in trouble:
            raise DataError(cause)

    monkeypatch.setattr(imagenet, "fetch", fetch)
    choice._trouble.cache_clear()
    yield trouble
    choice._trouble.cache_clear()


def store(tmp_path, shape, names, count=20):
    path = tmp_path / "own.npz"
    images = np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)
    np.savez(path, images=images, labels=np.arange(count) % 2, label_names=names)
    call(PREPARE, ["--dataset=npz", f"--source_file={path}", f"--data_dir={tmp_path}"])
    return open_dataset(tmp_path, "own")


@pytest.mark.parametrize(
    ("shape", "names", "expected"),
    [
        ((28, 28, 1), ["3", "8"], "lenet5"),
        ((28, 28, 1), ["cat", "dog"], "lenet5"),
        ((90, 90, 1), ["3", "8"], "convnet3"),
        ((28, 28, 3), ["3", "8"], "convnet3"),
        ((28, 28, 3), ["cat", "dog"], "efficientnet_lite0"),
    ],
)
def test_the_network_suits_the_images(shape, names, expected, tmp_path, capsys):
    dataset = store(tmp_path, shape, names)
    capsys.readouterr()
    assert choice.with_network(TrainOptions(), dataset).model == expected
    assert f"--model=auto: {expected}, since " in capsys.readouterr().err
    assert choice.with_network(TrainOptions(model="mlp"), dataset).model == "mlp"
    assert not capsys.readouterr().err


def test_says_why_there_are_no_weights(asked, tmp_path, capsys):
    asked.append("no index can be reached")
    dataset = store(tmp_path, (28, 28, 3), ["cat", "dog"])
    assert choice.with_network(TrainOptions(), dataset).model == "convnet3"
    assert "has no weights here (no index can be reached)" in capsys.readouterr().err


def test_many_images_train_a_network_of_their_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(choice, "_FEW", 10)
    dataset = store(tmp_path, (28, 28, 3), ["cat", "dog"])
    assert choice.with_network(TrainOptions(), dataset).model == "convnet3"
    assert "16 pictures are enough" in capsys.readouterr().err

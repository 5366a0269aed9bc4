"""Public datasets beside MNIST: Fashion-MNIST, KMNIST, EMNIST."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.base.tf import tfds
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.data.preparation.request import Request
from digitline.data.sources import fetch, known
from digitline.data.sources.raw import RawSplit

from support import call, idx_bytes

FASHION = Path("/usr/share/datasets/fashion-mnist")


def write_emnist(folder, config, images, labels):
    """EMNIST's own form and names: columns where rows should be; letters count from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        start = folder / f"emnist-{config}-{split}"
        Path(f"{start}-images-idx3-ubyte").write_bytes(
            idx_bytes(np.ascontiguousarray(images.transpose(0, 2, 1)))
        )
        Path(f"{start}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))


@pytest.fixture
def emnist(few_digits, tmp_path):
    """A folder of EMNIST's letters and digits side by side, as its archive holds them."""
    images, labels = few_digits
    letters = (np.arange(300) % 26 + 1).astype(np.uint8)
    write_emnist(tmp_path / "gzip", "letters", images, letters)
    write_emnist(tmp_path / "gzip", "digits", images, labels)
    return tmp_path


def test_letters_are_upright_and_of_26_classes(emnist, few_digits, tmp_path):
    arguments = ["--dataset=emnist/letters", f"--data_dir={tmp_path / 'data'}"]
    result = call(prepare.COMMAND, [*arguments, f"--source_dir={emnist}"])
    assert result["dataset"] == "emnist/letters"
    assert result["num_classes"] == 26
    made = open_dataset(tmp_path / "data", "emnist/letters")
    assert made.directory == tmp_path / "data" / "emnist" / "letters" / made.version
    assert made.label_names[0] == "A"
    assert made.label_names[25] == "Z"
    images, labels = load(made.split("test"))
    assert np.array_equal(images.numpy()[..., 0], few_digits[0])
    assert labels.numpy()[:27].tolist() == [*range(26), 0]
    again = prepare.run(Request(dataset="emnist/letters", data_dir=tmp_path / "data"))
    assert again.reused
    assert f"--data_dir={tmp_path / 'data'}" in prepare.text(again)
    plain = tfds.builder_from_directory(made.directory)
    assert plain.info.full_name == f"emnist/letters/{made.version}"


def test_emnists_archive_is_downloaded_and_unpacked(emnist, web, tmp_path, monkeypatch):
    shutil.make_archive(str(tmp_path / "web" / "gzip"), "zip", emnist, "gzip")
    urls = {fetch._ARCHIVE: f"{web}gzip.zip"}
    monkeypatch.setattr(fetch, "_tfds_urls", lambda name: urls)
    raw = fetch.fetch("emnist/letters", "tfds", None, tmp_path / "downloads")
    assert len(raw.splits["train"].images) == 300
    assert raw.origin == "TFDS's download"


def test_letters_out_of_range(emnist):
    labels = emnist / "gzip" / "emnist-letters-test-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(300, np.uint8)))
    with pytest.raises(DataError, match="expected labels from 1 to 26, got 0 at index 0"):
        fetch.fetch("emnist/letters", "local", emnist, emnist / "downloads")


def test_emnists_other_configurations():
    sizes = {name.partition("/")[2]: len(fact.label_names) for name, fact in known.DATASETS.items()}
    assert {name: size for name, size in sizes.items() if name} == {
        "byclass": 62, "bymerge": 47, "balanced": 47, "letters": 26, "digits": 10, "mnist": 10,
    }  # fmt: skip
    assert known.DATASETS["emnist/balanced"].label_names[36] == "a"


def test_counts_are_checked_where_no_digests_are_known(emnist):
    with pytest.raises(DataError, match="of emnist/digits: expected 240,000 images, got 300"):
        fetch.fetch("emnist/digits", "local", emnist, emnist / "downloads")


def test_kmnist_is_checked_by_its_counts(testdata, tmp_path):
    with pytest.raises(DataError, match="split of kmnist: expected 60,000 images, got 1,200"):
        fetch.fetch("kmnist", "local", testdata, tmp_path)
    raw = RawSplit(np.zeros((10_000, 28, 28, 1), np.uint8), np.zeros(10_000, np.int64))
    known.check(known.KMNIST, "test", raw, "i", "l")


class Letters(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """EMNIST as TFDS makes it: columns for rows, 37 classes, PNG."""

    name = "emnist"
    VERSION = tfds.core.Version("3.1.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="letters")]  # noqa: RUF012
    images: np.ndarray

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(28, 28, 1)),
                "label": tfds.features.ClassLabel(num_classes=37),
            }
        )
        return self.dataset_info_from_configs(features=features, supervised_keys=("image", "label"))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(), "test": self._generate_examples()}

    def _generate_examples(self):
        for index, image in enumerate(self.images):
            yield index, {"image": image.T[..., None], "label": index % 26 + 1}


def test_a_folder_of_emnist_that_tfds_made_is_turned_upright(few_digits, tmp_path):
    Letters.images = few_digits[0]
    Letters(data_dir=tmp_path).download_and_prepare()
    arguments = ["--dataset=emnist/letters", f"--data_dir={tmp_path}"]
    result = call(prepare.COMMAND, arguments)
    assert "TFDS's" in result["origin"]
    made = open_dataset(tmp_path, "emnist/letters")
    assert made.num_classes == 26
    images, labels = load(made.split("test"))
    upright = {image.tobytes(): index % 26 for index, image in enumerate(few_digits[0])}
    assert [upright[image.tobytes()] for image in images.numpy()] == labels.numpy().tolist()
    assert call(prepare.COMMAND, arguments)["reused"]


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian(tmp_path):
    arguments = ["--dataset=fashion_mnist", f"--data_dir={tmp_path}", f"--source_dir={FASHION}"]
    result = call(prepare.COMMAND, arguments)
    assert result["splits"] == {"train": 60_000, "test": 10_000}
    assert open_dataset(tmp_path, "fashion_mnist").label_names[9] == "Ankle boot"


def test_other_images_are_not_fashion_mnist(testdata, tmp_path):
    with pytest.raises(DataError, match="split of fashion_mnist: expected 60,000 images"):
        fetch.fetch("fashion_mnist", "local", testdata, tmp_path)

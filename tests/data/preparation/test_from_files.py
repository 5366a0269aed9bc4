import json

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import UserError
from digitline.base.tf import tfds
from digitline.data import prepare
from digitline.data.preparation import from_files
from digitline.data.preparation.executors.local import LocalExecutor

from support import call


@pytest.fixture(scope="session")
def csv(few_digits, tmp_path_factory):
    """300 digits as a CSV file. Do not change it."""
    path = tmp_path_factory.mktemp("csv") / "tiny.csv"
    with open(path, "w") as file:
        for image, label in zip(*few_digits, strict=True):
            print(label, *image.ravel(), sep=",", file=file)
    return path


@pytest.fixture(scope="session")
def picture_folder(few_digits, tmp_path_factory):
    """The same as an image folder. Do not change it."""
    root = tmp_path_factory.mktemp("pictures")
    for index, (image, label) in enumerate(zip(*few_digits, strict=True)):
        path = root / f"digit {label}" / f"{index:03d}.png"
        path.parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    return root


@pytest.fixture
def own_processes(monkeypatch):
    """Little work, too, is done by two processes."""
    monkeypatch.setattr(from_files, "_executor", lambda *_: LocalExecutor(2))


def arguments(csv, folder, *more):
    return ["--dataset=csv", f"--source_file={csv}", f"--data_dir={folder}", *more]


def content(folder):
    """The files of a prepared dataset: name to content."""
    (version,) = folder.glob("*/1.0.0")
    return {path.name: path.read_bytes() for path in version.iterdir()}


def test_plain_tfds_reads_it(csv, tmp_path):
    result = call(prepare.COMMAND, arguments(csv, tmp_path))
    builder = tfds.builder_from_directory(result["directory"])
    data = builder.as_dataset(split="train", as_supervised=True)
    images, labels = zip(*data.as_numpy_iterator(), strict=True)
    assert len(images) == result["splits"]["train"]
    assert (images[0].shape, images[0].dtype, labels[0].dtype) == ((28, 28, 1), np.uint8, np.int64)
    assert builder.info.features["label"].names == list("0123456789")
    assert builder.info.metadata["fingerprint"] == result["fingerprint"]
    assert builder.info.metadata["origin"] == f"CSV {csv}"


@pytest.mark.long
def test_a_cluster_writes_the_same_bytes_as_processes_and_as_one(
    csv, picture_folder, tmp_path, monkeypatch
):
    pytest.importorskip("apache_beam")
    options = "--direct_num_workers=2 --direct_running_mode=multi_threading"
    runner = ("--beam_runner=FnApiRunner", f"--beam_options={options}")
    for source in (
        ("--dataset=csv", f"--source_file={csv}", "--name=a"),
        ("--dataset=image_folder", f"--source_dir={picture_folder}", "--name=b"),
    ):
        root = tmp_path / source[2]
        for way, more in (("one", ()), ("beam", runner)):
            call(prepare.COMMAND, [*source, f"--data_dir={root / way}", *more])
        with monkeypatch.context() as patch:
            patch.setattr(from_files, "_executor", lambda *_: LocalExecutor(2))
            call(prepare.COMMAND, [*source, f"--data_dir={root / 'processes'}"])
        assert content(root / "one") == content(root / "processes") == content(root / "beam")


def test_a_mistake_that_a_process_finds_is_named(csv, tmp_path, own_processes):
    lines = csv.read_text().splitlines()
    lines[200] = lines[200].rpartition(",")[0] + ",256"
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"bad.csv, row 201: pixel 783 is 256.*max_corrupt_images"):
        call(prepare.COMMAND, arguments(path, tmp_path / "data"))
    assert not (tmp_path / "data" / "bad").exists()
    result = call(prepare.COMMAND, arguments(path, tmp_path / "data", "--max_corrupt_images=1"))
    assert sum(result["splits"].values()) == 299
    metadata = json.loads((tmp_path / "data" / "bad" / "1.0.0" / "metadata.json").read_text())
    assert metadata["damaged"]["count"] == 1

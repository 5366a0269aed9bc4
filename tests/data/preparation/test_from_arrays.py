import contextlib
import gzip
import json
import resource
import shutil

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError, UserError
from digitline.data import listing, prepare
from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.data.preparation.request import Request
from digitline.data.sources import idx

from support import DATASET, call, idx_bytes, python

# Reads a folder with TFDS alone, in a process where digitline cannot be imported.
PLAIN_TFDS = """
import json, sys
sys.modules["digitline"] = None
import numpy as np, tensorflow_datasets as tfds
builder = tfds.builder_from_directory(sys.argv[1])
found = {}
for name in ("train", "test", "train[:100]"):
    images, labels = zip(*builder.as_dataset(split=name, as_supervised=True).as_numpy_iterator())
    found[name] = [len(images), str(images[0].dtype), images[0].shape, str(labels[0].dtype),
                   int(np.sum(images, dtype=np.int64)), [int(x) for x in labels[:5]]]
print(json.dumps(found))
"""


def test_plain_tfds_reads_it_in_the_original_order(dataset, tmp_path):
    done = python(PLAIN_TFDS, dataset.directory, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["train"][:4] == [1200, "uint8", [28, 28, 1], "int64"]
    assert found["train"][5] == [5, 0, 4, 1, 9]  # MNIST begins so.
    assert found["test"][0] == 300
    assert found["train[:100]"][0] == 100


def test_shards_are_as_many_as_asked_for(dataset):
    assert len(list(dataset.directory.glob("*-train.tfrecord-*-of-00003"))) == 3
    assert [len(shard.numbers) for shard in dataset.split("train").shards] == [400, 400, 400]


def prepare_arguments(folder, testdata, *more):
    where = [f"--data_dir={folder}", f"--source_dir={testdata}"]
    return [f"--dataset={DATASET}", *where, "--validation_fraction=0", *more]


def test_idx_files_that_hold_something_else_by_now_are_refused(tmp_path, testdata):
    source = tmp_path / "source"
    shutil.copytree(testdata, source, ignore=shutil.ignore_patterns("old_run", "photographs"))
    arguments = prepare_arguments(tmp_path / "data", source)
    call(prepare.COMMAND, arguments)
    elsewhere = shutil.copytree(source, tmp_path / "elsewhere")
    for path in elsewhere.iterdir():
        path.touch()
    assert call(prepare.COMMAND, prepare_arguments(tmp_path / "data", elsewhere))["reused"]
    path = source / "t10k-labels-idx1-ubyte.gz"
    labels = idx.read_labels(path).copy()
    labels[9] = (labels[9] + 1) % 10
    path.write_bytes(gzip.compress(idx_bytes(labels)))
    with pytest.raises(DataError, match=r"source does not hold what .* was prepared from: repl"):
        call(prepare.COMMAND, arguments)
    assert not call(prepare.COMMAND, [*arguments, "--overwrite"])["reused"]  # As it says.
    assert call(prepare.COMMAND, arguments)["reused"]


def test_a_second_run_reuses_and_overwrite_prepares_again(tmp_path, testdata):
    arguments = prepare_arguments(tmp_path, testdata)
    first = call(prepare.COMMAND, arguments)
    assert not first["reused"]
    assert first["splits"] == {"train": 1200, "test": 300}
    assert first["image_shape"] == [28, 28, 1]
    assert first["num_classes"] == 10
    assert first["origin"] == f"local files in {testdata}"
    assert "corrupt_images" not in first
    assert call(prepare.COMMAND, arguments)["reused"]
    again = call(prepare.COMMAND, [*arguments, "--overwrite", "--num_shards=2"])
    assert not again["reused"]
    assert len(open_dataset(tmp_path, DATASET).split("train").shards) == 2


@contextlib.contextmanager
def limited_files(size):
    """Files cannot grow over this size in bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_overwrite_leaves_the_dataset(tmp_path, testdata):
    arguments = prepare_arguments(tmp_path, testdata)
    call(prepare.COMMAND, arguments)
    with pytest.raises(UsageError, match="--num_shards=301 is more than the 300 test images"):
        call(prepare.COMMAND, [*arguments, "--overwrite", "--num_shards=301"])
    with limited_files(100_000), pytest.raises(OSError, match=r"File too large: .*tiny_digits"):
        call(prepare.COMMAND, [*arguments, "--overwrite"])
    assert open_dataset(tmp_path, DATASET).split("train").examples == 1200
    assert [p.name for p in (tmp_path / DATASET).iterdir() if p.is_dir()] == ["1.0.0"]


def test_rejects_something_else_in_its_place(tmp_path, testdata):
    (tmp_path / DATASET / "1.0.0").mkdir(parents=True)
    arguments = prepare_arguments(tmp_path, testdata)
    with pytest.raises(DataError, match="exists, but is not a dataset"):
        call(prepare.COMMAND, arguments)
    assert not call(prepare.COMMAND, [*arguments, "--overwrite"])["reused"]


KILLED = """
import os, signal, sys
from digitline.base import command
from digitline.data import prepare
from digitline.data.sources.raw import RawDataset
read = RawDataset.read
def dies(self, index):
    for count, example in enumerate(read(self, index)):
        if index == 4 and count == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        yield example
RawDataset.read = dies
command.main(prepare.COMMAND, ["digitline prepare", *sys.argv[1:]])
"""


@pytest.mark.long
def test_a_kill_leaves_nothing_that_looks_finished(tmp_path, testdata, capsys):
    arguments = prepare_arguments(tmp_path, testdata)
    done = python(KILLED, *arguments, cwd=tmp_path)
    assert done.returncode == -9
    left = [path.name for path in (tmp_path / DATASET).iterdir() if path.is_dir()]
    assert left == ["incomplete.making"]
    assert listing.newest(tmp_path, DATASET) is None
    call(prepare.COMMAND, arguments)
    assert "removing what an interrupted run left" in capsys.readouterr().err
    folders = [path.name for path in (tmp_path / DATASET).iterdir() if path.is_dir()]
    assert folders == ["1.0.0"]


@pytest.mark.parametrize(
    ("flag", "error", "message"),
    [
        ("--source_dir=none", DataError, "none: no such folder"),
        ("--source=locl", UsageError, r"unknown source 'locl'; did you mean local\?"),
        ("--dataset=My Digits", UsageError, "a name begins with a small letter"),
        ("--source=pypi", UsageError, "--source_dir goes with --source=local"),
        ("--beam_options=x", UsageError, "--beam_options goes with --beam_runner"),
        ("--name=mine", UsageError, "--name goes with --dataset=image_folder or csv or npz"),
        ("--data_dir=taken", UserError, "cannot use taken.* as a folder"),
    ],
)
def test_rejects_wrong_flags(flag, error, message, tmp_path, testdata, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    with pytest.raises(error, match=message):
        call(prepare.COMMAND, [*prepare_arguments(tmp_path, testdata), flag])


def test_local_needs_a_folder(tmp_path):
    with pytest.raises(UsageError, match="--source=local needs --source_dir"):
        prepare.run(Request(dataset="mnist", source="local", data_dir=tmp_path))


def test_idx_files_sorted_by_class_get_a_validation_split_of_all_classes(tmp_path):
    labels = np.repeat(np.arange(3, dtype=np.uint8), 40)
    images = np.zeros((120, 4, 4), np.uint8)
    images[:, 0, 0] = np.arange(120)
    for split in ("train", "t10k"):
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    arguments = ["--dataset=sorted", "--source=local", f"--source_dir={tmp_path}"]
    result = call(prepare.COMMAND, [*arguments, f"--data_dir={tmp_path / 'data'}"])
    assert result["splits"] == {"train": 108, "validation": 12, "test": 120}
    dataset = open_dataset(tmp_path / "data", "sorted")
    assert dataset.default_splits() == ("train", "validation")
    _, validated = load(dataset.split("validation"))
    assert np.bincount(validated.numpy()).tolist() == [4, 4, 4]

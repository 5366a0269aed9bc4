import json

import pytest

from digitline.data import prepare
from digitline.data.dataset import is_prepared

from support import call, digitline, python

# Reads a folder with TFDS alone, in a process where digitline cannot be imported.
PLAIN_TFDS = """
import json, sys
sys.modules["digitline"] = None
import tensorflow_datasets as tfds
builder = tfds.builder_from_directory(sys.argv[1])
found = {}
for name in builder.info.splits:
    images, labels = zip(*builder.as_dataset(split=name, as_supervised=True).as_numpy_iterator())
    found[name] = [len(images), str(images[0].dtype), images[0].shape, str(labels[0].dtype)]
found["names"] = builder.info.features["label"].names
found["metadata"] = dict(builder.info.metadata)
print(json.dumps(found))
"""
NO_BEAM = """
import sys
sys.modules["apache_beam"] = None
from digitline.base import command
from digitline.data import prepare
command.main(prepare.COMMAND, ["digitline prepare", *sys.argv[1:]])
"""
KILLED = """
import os, signal, sys
from digitline.data import prepare
from digitline.data.sources import csv_images
read = csv_images.CsvSource.read
def dies(self, index):
    for count, example in enumerate(read(self, index)):
        if index == 4 and count == 30:
            os.kill(os.getpid(), signal.SIGKILL)
        yield example
csv_images.CsvSource.read = dies
from digitline.base import command
command.main(prepare.COMMAND, ["digitline prepare", *sys.argv[1:]])
"""
FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from digitline.base import command
from digitline.data import prepare
command.main(prepare.COMMAND, ["digitline prepare", *sys.argv[1:]])
"""


@pytest.fixture(scope="session")
def csv(few_digits, tmp_path_factory):
    """300 digits as a CSV file. Do not change it."""
    path = tmp_path_factory.mktemp("csv") / "tiny.csv"
    with open(path, "w") as file:
        for image, label in zip(*few_digits, strict=True):
            print(label, *image.ravel(), sep=",", file=file)
    return path


def arguments(csv, folder):
    return ["--dataset=csv", f"--source_file={csv}", f"--data_dir={folder}"]


def test_plain_tfds_reads_it(csv, tmp_path):
    result = call(prepare.COMMAND, arguments(csv, tmp_path))
    done = python(PLAIN_TFDS, result["directory"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["train"] == [result["splits"]["train"], "uint8", [28, 28, 1], "int64"]
    assert found["names"] == list("0123456789")
    assert found["metadata"]["fingerprint"] == result["fingerprint"]
    assert found["metadata"]["origin"] == f"CSV {csv}"


def test_without_beam_it_says_what_to_install(csv, tmp_path):
    done = python(NO_BEAM, *arguments(csv, tmp_path / "data"), cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'digitline[beam]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_kill_leaves_nothing_that_looks_finished(csv, tmp_path):
    done = python(KILLED, *arguments(csv, tmp_path), cwd=tmp_path)
    assert done.returncode == -9
    left = [path.name for path in (tmp_path / "tiny").iterdir() if path.is_dir()]
    assert left == ["incomplete.making"]
    assert not is_prepared(tmp_path, "tiny")
    again = digitline("prepare", *arguments(csv, tmp_path), "--json")
    assert again.returncode == 0, again.stderr
    assert sum(json.loads(again.stdout)["splits"].values()) == 300
    assert [path.name for path in (tmp_path / "tiny").iterdir() if path.is_dir()] == ["1.0.0"]


def test_a_full_disk_is_one_line_and_leaves_nothing(csv, tmp_path):
    done = python(FULL_DISK, *arguments(csv, tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == [".lock"]


def test_beams_runners_and_options(csv, tmp_path):
    done = digitline("prepare", *arguments(csv, tmp_path), "--beam_runner=NoSuchRunner")
    assert done.returncode == 2
    assert "--beam_runner=NoSuchRunner: Unexpected pipeline runner" in done.stderr
    assert "Traceback" not in done.stderr
    here = call(prepare.COMMAND, arguments(csv, tmp_path / "here"))
    options = "--direct_num_workers=2 --direct_running_mode=multi_threading"
    side_by_side = call(
        prepare.COMMAND,
        [*arguments(csv, tmp_path), "--beam_runner=FnApiRunner", f"--beam_options={options}"],
    )
    assert side_by_side["fingerprint"] == here["fingerprint"]

import json

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.data import prepare
from digitline.data.dataset import is_prepared, open_dataset
from digitline.data.preparation import folder as builders

from support import DATASET, call, digitline, python

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
    assert [shard.take for shard in dataset.shards("train")] == [400, 400, 400]


def prepare_arguments(folder, testdata, *more):
    return [f"--dataset={DATASET}", f"--data_dir={folder}", f"--source_dir={testdata}", *more]


def test_a_second_run_reuses_and_overwrite_makes_anew(tmp_path, testdata):
    arguments = prepare_arguments(tmp_path, testdata)
    first = call(prepare.COMMAND, arguments)
    assert not first["reused"]
    assert first["splits"] == {"train": 1200, "test": 300}
    assert call(prepare.COMMAND, arguments)["reused"]
    again = call(prepare.COMMAND, [*arguments, "--overwrite", "--num_shards=2"])
    assert not again["reused"]
    assert len(open_dataset(tmp_path, DATASET).shards("train")) == 2


def test_a_failed_overwrite_leaves_the_dataset(tmp_path, testdata, monkeypatch):
    arguments = prepare_arguments(tmp_path, testdata)
    call(prepare.COMMAND, arguments)
    with pytest.raises(UsageError, match="--num_shards=301 is more than the 300 test images"):
        call(prepare.COMMAND, [*arguments, "--overwrite", "--num_shards=301"])

    def fails(*_):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(builders._ArrayBuilder, "_generate_examples", fails)
    with pytest.raises(OSError, match="No space"):
        call(prepare.COMMAND, [*arguments, "--overwrite"])
    assert open_dataset(tmp_path, DATASET).num_examples("train") == 1200
    assert [p.name for p in (tmp_path / DATASET).iterdir() if p.is_dir()] == ["1.0.0"]


def test_something_else_in_its_place_is_refused(tmp_path, testdata):
    (tmp_path / DATASET / "1.0.0").mkdir(parents=True)
    arguments = prepare_arguments(tmp_path, testdata)
    with pytest.raises(DataError, match="is there, but is no dataset"):
        call(prepare.COMMAND, arguments)
    assert not call(prepare.COMMAND, [*arguments, "--overwrite"])["reused"]


KILLED = """
import os, signal, sys
from digitline.data import prepare
from digitline.data.preparation import folder as builders
generate = builders._ArrayBuilder._generate_examples
def dies(self, split):
    for index, example in generate(self, split):
        if index == 250 and len(split.images) < 1000:  # In the middle of the test split.
            os.kill(os.getpid(), signal.SIGKILL)
        yield index, example
builders._ArrayBuilder._generate_examples = dies
from digitline.base import command
command.main(prepare.COMMAND, ["digitline prepare", *sys.argv[1:]])
"""


def test_a_kill_leaves_nothing_that_looks_finished(tmp_path, testdata):
    arguments = prepare_arguments(tmp_path, testdata)
    done = python(KILLED, *arguments, cwd=tmp_path)
    assert done.returncode == -9
    left = [path.name for path in (tmp_path / DATASET).iterdir() if path.is_dir()]
    assert len(left) == 1
    assert left[0].startswith("incomplete.")
    assert not is_prepared(tmp_path, DATASET)

    again = digitline("prepare", *arguments)
    assert again.returncode == 0, again.stderr
    assert "removed what an interrupted run left" in again.stderr
    folders = [path.name for path in (tmp_path / DATASET).iterdir() if path.is_dir()]
    assert folders == ["1.0.0"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, testdata):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from digitline.base import command; from digitline.data import prepare\n"
        "command.main(prepare.COMMAND, ['digitline prepare', *sys.argv[1:]])\n"
    )
    done = python(code, *prepare_arguments(tmp_path, testdata), cwd=tmp_path)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not is_prepared(tmp_path, DATASET)


def test_an_unwritable_folder_is_one_line(tmp_path, testdata):
    (tmp_path / "taken").touch()
    done = digitline("prepare", *prepare_arguments(tmp_path / "taken", testdata))
    assert done.returncode == 1
    assert "cannot use" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_of_prepare(tmp_path, testdata):
    done = digitline("prepare", *prepare_arguments(tmp_path, testdata), "--json")
    figures = json.loads(done.stdout)
    assert figures["image_shape"] == [28, 28, 1]
    assert figures["num_classes"] == 10
    assert np.all([count > 0 for count in figures["splits"].values()])


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [
        ("--source_dir=none", 1, "none: no such folder"),
        ("--source=locl", 2, "unknown source 'locl'; did you mean local?"),
        ("--dataset=My Digits", 2, "a name begins with a small letter"),
    ],
)
def test_mistakes(flag, code, message, tmp_path, testdata):
    done = digitline("prepare", *prepare_arguments(tmp_path, testdata), flag, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr

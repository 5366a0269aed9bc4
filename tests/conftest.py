"""What tests share: 1,500 images of real MNIST, prepared, trained on, exported."""

import fcntl
import gc
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import DATASET, TESTDATA, call, train_arguments

# There are as many workers as cores: threads inside an op only wait for one another. It holds for
# the processes that tests start too.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")


def pytest_collection_modifyitems(items):
    """The files right in this folder are the longest: they go first."""
    items.sort(key=lambda item: item.path.parent != TESTDATA.parent)


def pytest_collection_finish():
    """What is imported by now stays; to look through it for garbage takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def testdata():
    return TESTDATA


def once(tmp_path_factory, name, make):
    """What `make` gives for a folder, as JSON has it, and the folder: all workers share both."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    answer = base / f"{name}.json"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            answer.write_text(json.dumps(make(base / name)))
    return base / name, json.loads(answer.read_text())


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """The tiny dataset, prepared from its IDX files. Do not change it."""
    from digitline.data import prepare

    def make(folder):
        flags = [
            f"--dataset={DATASET}",
            "--digits",
            "--validation_fraction=0",
            f"--data_dir={folder}",
            f"--source_dir={TESTDATA}",
            "--num_shards=3",
        ]
        return call(prepare.COMMAND, flags)

    return once(tmp_path_factory, "datasets", make)[0]


@pytest.fixture(scope="session")
def dataset(data_dir):
    from digitline.data.dataset import open_dataset

    return open_dataset(data_dir, DATASET)


@pytest.fixture(scope="session")
def trained(data_dir, tmp_path_factory):
    """A finished run on the tiny dataset. Do not change it."""
    from digitline.models import train

    def make(folder):
        return call(train.COMMAND, train_arguments(data_dir, folder / "lenet5", "--report"))

    folder, result = once(tmp_path_factory, "trained", make)
    return SimpleNamespace(workdir=folder / "lenet5", result=result)


@pytest.fixture(scope="session")
def well_trained(data_dir, tmp_path_factory):
    """The same, trained for longer: sure enough of its answers to be quantized.

    It was evaluated on corrupted images too.
    """
    from digitline.models import evaluate, train

    def make(folder):
        workdir = folder / "lenet5"
        result = call(train.COMMAND, train_arguments(data_dir, workdir, "--epochs=15"))
        flags = [f"--workdir={workdir}", "--split=test[:30]", "--corruptions"]
        return {**result, "corruptions": call(evaluate.COMMAND, flags)["corruptions"]}

    folder, result = once(tmp_path_factory, "well_trained", make)
    return SimpleNamespace(workdir=folder / "lenet5", result=result)


@pytest.fixture(scope="session")
def exported(well_trained, tmp_path_factory):
    """An export of that run. Do not change it."""
    from digitline.export import exporter

    def make(folder):
        flags = [
            f"--workdir={well_trained.workdir}",
            f"--export_dir={folder}",
            # Its own images, of which it is sure: int8 does not turn them.
            "--split=train[100:400]",
        ]
        return call(exporter.COMMAND, flags)

    folder, result = once(tmp_path_factory, "exported", make)
    return SimpleNamespace(
        export_dir=folder,
        result=result,
        saved_model=Path(result["artifacts"]["saved_model"]),
        tflite=Path(result["artifacts"]["tflite"]),
    )


@pytest.fixture(scope="session")
def s3_server():
    """Where an object store listens: a process of its own, with a bucket called `bucket`."""
    import stores

    with stores.s3() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_server, tmp_path, monkeypatch):
    """An address in an object store that only this test uses, and nothing fetched of it yet."""
    import stores

    for name, value in stores.environment(s3_server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DIGITLINE_CACHE", str(tmp_path / "cache"))
    return f"s3://bucket/{tmp_path.name}"


@pytest.fixture(scope="session")
def test_images(testdata):
    """(uint8 [300, 28, 28, 1], uint8 [300]), read without the pipeline."""
    from digitline.data.sources import idx

    images = idx.read_images(testdata / "t10k-images-idx3-ubyte.gz")
    return images[..., None], idx.read_labels(testdata / "t10k-labels-idx1-ubyte.gz")


@pytest.fixture(scope="session")
def on_path(tmp_path_factory):
    """An environment in which a shell finds `digitline` and `python` as they are here."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in (("python", ""), ("digitline", "-m digitline.cli ")):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        script.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture(scope="session", autouse=True)
def one_verifier():
    """Exports share the process that verifies, which takes seconds to start.

    It loads each run anew, and what a test changes in its own process does not reach it.
    """
    import verifiers

    with pytest.MonkeyPatch.context() as patch, verifiers.shared() as verifier:
        patch.setattr("digitline.export.exporter.Verifier", verifier)
        yield


@pytest.fixture(scope="module")
def browser():
    """Chromium; tests that use it are skipped where there is none.

    No longer than for a module: while it is open, its event loop runs in this thread, and
    others cannot.
    """
    import browsers

    with browsers.chromium() as found:
        yield found

import contextlib
import json
import subprocess
import sys
import threading
import time

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError, UsageError, UserError
from digitline.data import prepare

from support import call

_SHARDS = 60


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """900 pictures of noise in two classes."""
    root = tmp_path_factory.mktemp("pictures")
    pixels = np.random.default_rng(0).integers(0, 256, (900, 16, 16), np.uint8)
    for number, image in enumerate(pixels):
        path = root / f"class {number % 2}" / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    return root


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """A scheduler's flags for `prepare`, and its two workers; all are ended at the end."""
    pytest.importorskip("apache_beam")
    distributed = pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    scheduler_file = folder / "scheduler.json"
    with contextlib.ExitStack() as stack:

        def start(*words):
            words = ["-m", "dask", *words, f"--scheduler-file={scheduler_file}", "--no-dashboard"]
            process = subprocess.Popen([sys.executable, *words], stderr=log, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        log = stack.enter_context(open(folder / "log", "ab"))
        start("scheduler", "--host=127.0.0.1", "--port=0")
        while not scheduler_file.exists():
            time.sleep(0.02)
        workers = [start("worker", "--no-nanny", "--nthreads=1") for _ in range(2)]
        address = json.loads(scheduler_file.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield ["--beam_runner=dask", f"--beam_options=dask_client_address={address}"], workers


def arguments(pictures, data_dir, *more):
    return [
        *("--dataset=image_folder", f"--source_dir={pictures}", "--name=noise"),
        *(f"--data_dir={data_dir}", f"--num_shards={_SHARDS}", *more),
    ]


def content(folder):
    """All files below a folder: name to content."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_worker_that_is_killed_changes_nothing(pictures, dask, tmp_path):
    flags, (worker, _) = dask
    call(prepare.COMMAND, arguments(pictures, tmp_path / "here"))
    making = tmp_path / "there" / "noise" / "incomplete.making"
    done = []

    def kill():
        while len(done) < _SHARDS // 6:
            shards = making.glob("noise/1.0.0/train.*.part")
            done[:] = [path for path in shards if path.stat().st_size]
        worker.kill()
        worker.wait()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    call(prepare.COMMAND, arguments(pictures, tmp_path / "there", *flags))
    assert len(done) < _SHARDS
    assert worker.returncode < 0
    assert content(tmp_path / "there") == content(tmp_path / "here")


def test_what_a_worker_cannot_read_is_named(pictures, dask, tmp_path):
    bad = pictures / "class 0" / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad.png.*max_corrupt_images"):
        call(prepare.COMMAND, arguments(pictures, tmp_path / "data", *dask[0]))
    bad.unlink()
    assert content(tmp_path / "data") == {}


@pytest.mark.parametrize(
    ("runner", "options", "message"),
    [
        ("NoSuchRunner", "", r"expected dask, flink, spark, dataflow, direct, local, or the name"),
        ("dsk", "", "did you mean dask?"),
        ("FlinkRuner", "", "did you mean FlinkRunner?"),
        ("no.such.Runner", "", "--beam_runner=no.such.Runner: No module named 'no'"),
        ("dask", "", "needs its scheduler: --beam_options='--dask_client_address"),
        ("Dask", "dask_client_address='", "No closing quotation"),
        ("dask", "dask_client_address=no://where", "no Dask scheduler answers at no://where"),
        ("dask", "dask_scheduler_file=no_file", "no Dask scheduler answers at no_file"),
    ],
)
def test_a_runner_that_cannot_be_had(runner, options, message, pictures, tmp_path, monkeypatch):
    pytest.importorskip("apache_beam")
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    flags = (f"--beam_runner={runner}", f"--beam_options={options}")
    with pytest.raises((UsageError, UserError), match=message):
        call(prepare.COMMAND, arguments(pictures, tmp_path, *flags))
    assert content(tmp_path) == {}


def test_beam_is_needed_for_its_runners_only(pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"--beam_runner needs .* pip install 'digitline\[beam\]'"):
        call(prepare.COMMAND, arguments(pictures, tmp_path, "--beam_runner=FlinkRunner"))

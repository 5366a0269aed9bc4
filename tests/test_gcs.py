"""The line on folders in Google's store, as far as its emulator goes.

The emulator knows no conditional requests: that one of two writers wins is tested with S3.
"""

import shutil
import socket

import pytest

from digitline.base import addresses
from digitline.base.storage.store import Store
from digitline.data import prepare
from digitline.models import evaluate, train

from support import DATASET, TESTDATA, call, export, quick_arguments


@pytest.fixture
def gcs(tmp_path, monkeypatch):
    """An address in an emulator of the store."""
    # Else it asks, at each request, for what only Google itself answers.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("DIGITLINE_CACHE", str(tmp_path / "cache"))
    yield "gs://bucket/line"
    server.stop()


@pytest.mark.long
def test_the_line_on_google_cloud_storage(gcs):
    data = ["--digits", "--validation_fraction=0", f"--source_dir={TESTDATA}", "--num_shards=3"]
    call(prepare.COMMAND, [f"--dataset={DATASET}", f"--data_dir={gcs}/data", *data])
    call(train.COMMAND, quick_arguments(f"{gcs}/data", f"{gcs}/run"))
    shutil.rmtree(addresses.cache())
    assert call(evaluate.COMMAND, [f"--workdir={gcs}/run"])["accuracy"] > 0.5

    class Run:
        workdir = f"{gcs}/run"

    path = export(Run, f"{gcs}/exports")["artifacts"]["tflite"]
    assert (
        addresses.address_of(addresses.local(path))
        == f"{gcs}/exports/tflite/softmax/1/model.tflite"
    )
    assert "tflite/softmax/1/manifest.json" in Store(f"{gcs}/exports").listing()
    assert not any("lease" in name for name in Store(gcs).listing())

"""Models that are served from an object store."""

import contextlib
import threading
import time
import urllib.request

import pytest
import stores
from served import Process, wait

from digitline.base import addresses, export_layout
from digitline.base.errors import UserError
from digitline.base.storage import staging
from digitline.base.storage.store import Store, StoreError
from digitline.serving import remote
from digitline.serving.core import config, versions
from digitline.serving.core.manager import Manager
from digitline.serving.core.servable import Servable
from digitline.serving.flags import ServeOptions
from digitline.serving.protocol.models import State

MANIFEST = f"{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(remote, "SETTLED_S", 0.05)
    monkeypatch.setattr(remote, "_SEEN", {})


def put(s3, number, *names):
    for name in names or ("saved_model.pb", "variables/x", MANIFEST):
        Store(f"{s3}/{number}").write(name, f"{number} {name} {time.time()}".encode())


def found(s3):
    return {
        number: str(path)
        for number, path in versions.find(addresses.local(s3), config.TENSORFLOW).versions.items()
    }


def test_ours_count_with_their_manifest_and_others_when_they_have_settled(s3):
    put(s3, 1)
    put(s3, 2, "saved_model.pb", export_layout.UNFINISHED)
    put(s3, 3, "saved_model.pb")
    Store(s3).write("readme", b"")
    assert set(found(s3)) == {1, 3}  # At the start others are waited for.
    put(s3, 2, MANIFEST)
    put(s3, 4, "saved_model.pb")
    assert set(found(s3)) == {1, 2, 3}
    time.sleep(0.06)
    put(s3, 4, "saved_model.pb")
    assert set(found(s3)) == {1, 2, 3}
    time.sleep(0.06)
    assert set(found(s3)) == {1, 2, 3, 4}
    assert staging.files_in(addresses.local(s3)) == []


@pytest.fixture
def manager():
    """Serves what is there; `load` notes the files that it found."""
    managers, loaded = [], []

    def load(folder, platform):
        loaded.append(sorted(staging.files_in(folder)))
        if (folder / "bad").exists():
            raise UserError("it is bad")
        return Servable({}, {}, lambda *_: [], lambda: None)

    def make(s3):
        options = ServeOptions(
            file_system_poll_wait_seconds=0.05, load_retry_interval_micros=50_000
        )
        managers.append(Manager(load, lambda *_: None, options))
        managers[0].apply(config.from_flags("m", s3))
        return managers[0], loaded

    yield make
    for made in managers:
        made.close()


def states(manager):
    with manager.lock:
        return {number: status.state for number, status in manager.shown("m").items()}


def available(manager):
    return {number for number, state in states(manager).items() if state is State.AVAILABLE}


def test_versions_come_and_go_and_a_store_that_is_away_takes_nothing_down(s3, manager, monkeypatch):
    put(s3, 1)
    served, loaded = manager(s3)
    assert available(served) == {1}
    assert loaded == [sorted(("saved_model.pb", "variables/x", MANIFEST))]
    listing, download = Store.listing, Store.download

    def away(self):
        raise StoreError("away")

    monkeypatch.setattr(Store, "listing", away)
    put(s3, 2)
    time.sleep(0.3)
    assert available(served) == {1}
    monkeypatch.setattr(Store, "download", lambda *_: away(None))
    monkeypatch.setattr(Store, "listing", listing)
    time.sleep(0.5)
    assert available(served) == {1}
    monkeypatch.setattr(Store, "download", download)
    wait(lambda: available(served) == {2})
    names = [name for name in Store(s3).listing() if name.startswith("2/")]
    Store(s3).remove(names)  # Rolled back.
    wait(lambda: available(served) == {1})
    wait(lambda: not (addresses.local(s3) / "2").exists())


def test_a_version_that_is_mended_is_loaded(s3, manager):
    put(s3, 1)
    served, _ = manager(s3)
    put(s3, 2, "saved_model.pb", "bad", MANIFEST)
    time.sleep(1)
    assert available(served) == {1}
    Store(s3).remove(["2/bad"])
    put(s3, 2)
    wait(lambda: available(served) == {2})


def test_a_slow_read_holds_nobody_up(s3, manager, monkeypatch):
    put(s3, 1)
    served, _ = manager(s3)
    download, go_on = Store.download, threading.Event()

    def slow(self, name, target):
        go_on.wait(20)
        download(self, name, target)

    monkeypatch.setattr(Store, "download", slow)
    put(s3, 2)
    wait(lambda: states(served) == {1: State.AVAILABLE, 2: State.LOADING})
    go_on.set()
    wait(lambda: available(served) == {2})


def test_a_base_path_that_is_not_there(s3, manager):
    with pytest.raises(Exception, match=f"Could not find base path {s3} for servable m"):
        manager(s3)
    with pytest.raises(UserError, match="two slashes"):
        config.from_flags("m", "s3:/bucket/x")


def test_openers_take_the_newest_complete_version(s3):
    put(s3, 1)
    put(s3, 9, "saved_model.pb", export_layout.UNFINISHED)
    base = addresses.local(s3)
    assert remote.saved_model(base) == base / "1"
    assert set(staging.files_in(base)) == {"1/saved_model.pb", "1/variables/x", f"1/{MANIFEST}"}
    assert remote.saved_model(base / "1") == base / "1"
    with pytest.raises(UserError, match="neither a SavedModel nor a folder of its versions"):
        remote.saved_model(addresses.local(f"{s3}/none"))


@pytest.mark.long
def test_a_server_and_a_store_that_fails(s3, s3_server, exported, tmp_path, monkeypatch):
    def publish(number):
        for path in exported.saved_model.rglob("*"):
            if path.is_file():
                name = path.relative_to(exported.saved_model).as_posix()
                Store(f"{s3}/{number}").upload(path, name)

    publish(1)
    with stores.Faults(s3_server) as faults:
        for name, value in stores.environment(faults.endpoint).items():
            monkeypatch.setenv(name, value)
        flags = (f"--model_base_path={s3}", "--model_name=m")
        with contextlib.closing(Process(tmp_path, *flags)) as server:
            wait(lambda: "AVAILABLE" in server.get("/v1/models/m")[1], 60)
            faults.answer = lambda method, path: "500"
            time.sleep(3)
            assert '"AVAILABLE"' in server.get("/v1/models/m")[1]
            faults.answer = lambda method, path: 0.3 if method == "GET" else None
            publish(2)
            wait(lambda: '"version": "2"' in server.get("/v1/models/m")[1], 60)
            assert urllib.request.urlopen(f"http://127.0.0.1:{server.rest}/readyz").status == 200

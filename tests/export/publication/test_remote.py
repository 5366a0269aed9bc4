"""Exports in an object store."""

import json
import shutil

import pytest

from digitline.base import addresses, export_layout, manifests
from digitline.base.errors import UserError
from digitline.base.storage import lease, staging
from digitline.base.storage.pushing import TakenError
from digitline.base.storage.store import Store, StoreError
from digitline.export import exporter
from digitline.export.publication import publish, remote, versions
from digitline.serving.artifacts import open_tflite

from support import call, export

NAME = "m"
GRAPH = export_layout.SAVED_MODEL_FILE
EXTRA = f"{export_layout.EXTRA}/{export_layout.SAVED_MODEL_MANIFEST}"
FILES = {
    "saved_model": {GRAPH: "graph", "variables/data": "weights", EXTRA: "{}"},
    "tflite": {"model.tflite": "model", "manifest.json": "{}"},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "LOOK_S", 0.05)
    monkeypatch.setattr("digitline.base.storage.patience.LIMIT_S", 0)


def publish_next(s3, formats=("saved_model", "tflite"), before=lambda: None):
    """Publishes a version as an export does; returns its number."""
    export_dir = addresses.local(s3)
    with publish.staging(export_dir, lambda: remote.fetch(export_dir, NAME, False)) as staged:
        number = publish.next_version(export_dir, NAME)
        targets = publish.targets(export_dir, NAME, number, formats)
        for kind in formats:
            for name, text in FILES[kind].items():
                path = staged / kind / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{text}{number}" if name != EXTRA else json.dumps(number))
        digests = {kind: manifests.digests(staged / kind) for kind in formats}
        before()
        publish.publish(staged, targets, digests)
    return number


def there(s3):
    """The versions that have objects, and which of them are whole."""
    listed = staging.listing(addresses.local(s3))
    return {
        name.rpartition(f"/{first}")[0]: all(
            f"{name.rpartition(f'/{first}')[0]}/{other}" in listed for other in FILES[kind]
        )
        for kind, first in (("saved_model", GRAPH), ("tflite", "model.tflite"))
        for name in listed
        if name.endswith(f"{kind}/{NAME}/{name.split('/')[-2]}/{first}")
    }


def whole(*folders):
    return dict.fromkeys(folders, True)


def both(*numbers):
    return [f"{kind}/{NAME}/{number}" for number in numbers for kind in FILES]


def test_the_manifest_comes_last_and_the_saved_model_after_all(s3, monkeypatch):
    writes = []
    for method in ("upload", "create", "write"):
        real = getattr(Store, method)

        def logged(self, *arguments, real=real, method=method):
            name = arguments[1] if method == "upload" else arguments[0]
            if "lease" not in name:
                writes.append(f"{self.address.removeprefix(s3 + '/')}/{name}")
            return real(self, *arguments)

        monkeypatch.setattr(Store, method, logged)
    assert publish_next(s3) == 1
    tflite, saved = "tflite/m/1/", "saved_model/m/1/"
    assert writes[:3] == [
        f"{tflite}{n}" for n in (export_layout.UNFINISHED, "model.tflite", "manifest.json")
    ]
    assert writes[3] == f"{saved}{export_layout.UNFINISHED}"
    assert writes[-1] == f"{saved}{EXTRA}"
    assert not any(export_layout.UNFINISHED in name for name in Store(s3).listing())
    assert publish_next(s3) == 2
    shutil.rmtree(addresses.cache())  # Another machine.
    assert publish_next(s3) == 3
    assert there(s3) == whole(*both(1, 2, 3))


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_kill_in_the_middle_leaves_nothing_that_counts(s3, stop, monkeypatch):
    publish_next(s3)
    Store(s3).write("saved_model/m/7/saved_model.pb", b"somebody else's")
    written = []

    class Killed(BaseException):
        pass

    with monkeypatch.context() as patch:
        for method in ("upload", "create"):
            real = getattr(Store, method)

            def dying(self, *arguments, real=real):
                if "lease" not in str(arguments):
                    written.append(1)
                    if len(written) == stop:
                        raise Killed
                return real(self, *arguments)

            patch.setattr(Store, method, dying)
        with pytest.raises(Killed):
            publish_next(s3)
    listed = Store(s3).listing()
    assert f"saved_model/m/8/{EXTRA}" not in listed
    number = publish_next(s3)
    assert number in (8, 9)  # That of the TFLite files may be taken.
    expected = whole(*both(1), *both(number)) | ({"tflite/m/8": True} if number == 9 else {})
    assert there(s3) == {**expected, "saved_model/m/7": False}
    assert not any(export_layout.UNFINISHED in name for name in Store(s3).listing())


def test_another_exporter_is_refused_or_finds_its_number_taken(s3):
    with (
        lease.held(addresses.local(s3), "exporting"),
        pytest.raises(UserError, match=f"another process is exporting in {s3}"),
    ):
        publish_next(s3)

    def overtaken():
        Store(s3).write("tflite/m/1/manifest.json", b"theirs")

    with pytest.raises(TakenError, match="somebody else has written it meanwhile"):
        publish_next(s3, ["tflite"], overtaken)
    assert Store(s3).read("tflite/m/1/manifest.json") == b"theirs"
    assert publish_next(s3, ["tflite"]) == 2


def test_a_store_that_refuses_is_one_line_and_the_next_export_goes_on(s3, monkeypatch):
    def away(self, source, name):
        raise StoreError(f"{self.address}/{name}: cannot be written: away")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "upload", away)
        with pytest.raises(UserError, match=r"away; given up after .* run the same command again"):
            publish_next(s3)
    assert there(s3) == {}
    assert publish_next(s3) == 1
    assert there(s3) == whole(*both(1))


def test_roll_back_and_keep(s3):
    for _ in range(4):
        publish_next(s3)
    shutil.rmtree(addresses.cache())
    result = call(exporter.COMMAND, ["--rollback", f"--model_name={NAME}", f"--export_dir={s3}"])
    assert (result["rolled_back"], result["version"]) == (4, 3)
    away = [f".rolled_back/{name}" for name in both(4)]
    assert there(s3) == whole(*both(1, 2, 3), *away)
    export_dir = addresses.local(s3)
    with publish.staging(export_dir, lambda: remote.fetch(export_dir, NAME, True)):
        assert publish.next_version(export_dir, NAME) == 5
        assert versions.keep_newest(export_dir, NAME, 2) == [1]
        remote.push_changes(export_dir, NAME)
    assert there(s3) == whole(*both(2, 3), *away)


def test_the_command(s3, trained, tmp_path):
    result = export(trained, s3)
    path = addresses.local(result["artifacts"]["tflite"])
    assert addresses.address_of(path) == f"{s3}/tflite/lenet5/1/model.tflite"
    shutil.rmtree(addresses.cache())
    checked = call(exporter.COMMAND, [f"--verify_only={s3}"])
    assert (len(checked["checked"]), checked["errors"]) == (1, [])
    shutil.rmtree(addresses.cache())
    assert open_tflite(path).labels[:2] == ("0", "1")
    for name in staging.listing(addresses.local(s3)):
        assert str(addresses.cache()).encode() not in Store(s3).read(name)

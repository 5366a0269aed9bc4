import json
import os
import subprocess
import sys

import pytest
import stores

from digitline.base import addresses
from digitline.base.errors import DataError, UserError
from digitline.base.storage import staging
from digitline.base.storage.store import Store, StoreError


@pytest.fixture
def folder(s3):
    store = Store(s3)
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt"):
        store.write(name, name.encode())
    return addresses.local(s3)


def contents(folder):
    return {name: (folder / name).read_text() for name in staging.files_in(folder)}


ALL = {name: name for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt")}


def fetched(monkeypatch):
    """The names that are downloaded from now on."""
    names, download = [], Store.download

    def counted(self, name, target):
        names.append(name)
        download(self, name, target)

    monkeypatch.setattr(Store, "download", counted)
    return names


def test_only_what_has_changed_is_fetched_again(folder, s3, monkeypatch):
    names = fetched(monkeypatch)
    staging.stage(folder)
    assert contents(folder) == ALL
    names.clear()
    staging.stage(folder)
    assert names == []
    Store(s3).write("sub/b.txt", b"other")  # Of the same length or not.
    Store(s3).remove(["a.txt"])
    (folder / "sub/deep/c.txt").write_text("changed here")
    staging.stage(folder)
    assert sorted(names) == ["sub/b.txt", "sub/deep/c.txt"]
    assert contents(folder) == {"sub/b.txt": "other", "sub/deep/c.txt": "sub/deep/c.txt"}


def test_a_part_and_one_object(folder, s3):
    staging.stage(folder, lambda name: name.startswith("sub/deep/"))
    assert contents(folder) == {"sub/deep/c.txt": "sub/deep/c.txt"}
    staging.stage(folder / "a.txt")
    assert contents(folder) == {name: name for name in ("a.txt", "sub/deep/c.txt")}
    with pytest.raises(DataError, match=f"{s3}/none: there is nothing"):
        staging.stage(folder / "none")


def test_an_object_becomes_a_folder_and_a_folder_an_object(folder, s3):
    staging.stage(folder)
    store = Store(s3)
    store.remove(["a.txt", "sub/b.txt", "sub/deep/c.txt"])
    store.write("a.txt/inner", b"1")
    store.write("sub", b"2")
    staging.stage(folder)
    assert contents(folder) == {"a.txt/inner": "1", "sub": "2"}


@pytest.mark.parametrize("name", ["x/../../../escaped", "x//y", "./x"])
def test_names_that_no_file_can_have_are_refused(s3, s3_server, name, monkeypatch):
    found = [{"name": f"{s3.removeprefix('s3://')}/{name}", "type": "file", "size": 1}]
    with pytest.raises(DataError, match="which no file here can be called"):
        Store(s3)._named(found)


def test_a_fetch_that_fails_leaves_the_mirror_as_it_was(folder, s3, monkeypatch):
    staging.stage(folder)
    for name in ALL:
        Store(s3).write(name, b"new")
    download = Store.download

    def failing(self, name, target):
        if name == "sub/b.txt":
            raise StoreError("away")
        download(self, name, target)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "download", failing)
        with pytest.raises(StoreError, match="away"):
            staging.stage(folder)
    assert contents(folder) == ALL
    assert list((addresses.cache() / "incoming").iterdir()) == []
    staging.stage(folder)
    assert contents(folder) == dict.fromkeys(ALL, "new")


def test_what_is_written_meanwhile_is_read_again(folder, s3, monkeypatch):
    download, contents_to_come = Store.download, ["later"]

    def changing(self, name, target):
        download(self, name, target)
        if contents_to_come:
            Store(s3).write("a.txt", contents_to_come.pop().encode())

    monkeypatch.setattr(Store, "download", changing)
    staging.stage(folder)
    assert contents(folder) == {**ALL, "a.txt": "later"}
    contents_to_come += ["one", "two", "three", "four"]
    Store(s3).write("a.txt", b"x")
    with pytest.raises(DataError, match="written to while it is read"):
        staging.stage(folder)


def test_a_folder_that_is_being_written_here_is_left_alone(folder, s3):
    with staging.being_written(folder.parent):
        staging.stage(folder)
        assert contents(folder) == {}
    staging.stage(folder)
    assert contents(folder) == ALL


def test_refusals_of_stores_are_one_line(s3, monkeypatch):
    with pytest.raises(StoreError, match=r"s3://no-such-bucket/x: cannot be listed: .*not exist"):
        staging.stage(addresses.local("s3://no-such-bucket/x"))
    with pytest.raises(UserError, match="there is no store of the kind s4"):
        staging.stage(addresses.local("s4://bucket/x"))
    with pytest.raises(UserError, match=r"a package is missing: .*adlfs"):
        staging.stage(addresses.local("abfs://bucket/x"))


PULL = """
import json, sys
from digitline.base import addresses
from digitline.base.errors import UserError
from digitline.base.storage import staging
folder = addresses.local(sys.argv[1])
try:
    staging.stage(folder)
    print(json.dumps({name: (folder / name).read_text() for name in staging.files_in(folder)}))
except UserError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.mark.long
def test_of_two_processes_one_fetches(folder, s3, s3_server):
    reads = []
    with stores.Faults(s3_server) as faults:

        def answer(method, path):
            if method == "GET" and path.endswith(".txt"):
                reads.append(path.rpartition("/")[2])
                return 1.0
            return None

        faults.answer = answer
        environment = {**os.environ, **stores.environment(faults.endpoint)}
        command = [sys.executable, "-c", PULL, s3]
        both = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        assert [json.loads(process.communicate(timeout=100)[0]) for process in both] == [ALL, ALL]
    assert sorted(reads) == ["a.txt", "b.txt", "c.txt"]


@pytest.mark.long
@pytest.mark.parametrize("fault", ["500", "cut", 2.0])
def test_faults_on_the_way(fault, folder, s3, s3_server, tmp_path):
    """Once, and the fetch goes on; for good, and it is one line and nothing half."""

    def pull(faults):
        environment = {**os.environ, **stores.environment(faults.endpoint)}
        command = [sys.executable, "-c", PULL, s3]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=200, check=True
        )
        return json.loads(done.stdout)

    with stores.Faults(s3_server) as faults:
        left = [fault]
        faults.answer = lambda method, path: left.pop() if "b.txt" in path and left else None
        assert pull(faults) == ALL
        assert not left
        if fault == "500":
            Store(s3).write("sub/b.txt", b"new")
            faults.answer = lambda method, path: "500" if "b.txt" in path else None
            assert "sub/b.txt: cannot be read" in pull(faults)["error"]
            assert contents(folder) == ALL

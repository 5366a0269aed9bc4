import pytest

from digitline.base import addresses
from digitline.base.storage import pushing, staging
from digitline.base.storage.patience import patiently
from digitline.base.storage.pushing import TakenError, push
from digitline.base.storage.store import Store, StoreError

SEALS = ("*.json", "last")


@pytest.fixture
def folder(s3):
    folder = addresses.local(s3)
    (folder / "sub").mkdir(parents=True)
    for name in ("data", "sub/data", "record.json", "last", ".digitline-tmp-1-x", ".lock"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def requests(monkeypatch):
    """What is written and removed, in order."""
    seen = []
    for method in ("upload", "create", "remove"):
        real = getattr(Store, method)

        def logged(self, first, *more, method=method, real=real):
            if method == "remove":
                first = list(first)
                seen.extend(f"-{name}" for name in first)
            else:
                seen.append(f"+{more[0] if method == 'upload' else first}")
            return real(self, first, *more)

        monkeypatch.setattr(Store, method, logged)
    return seen


def test_seals_are_written_last_and_removed_first(folder, s3, requests):
    push(folder, SEALS)
    assert sorted(requests[:2]) == ["+data", "+sub/data"]
    assert requests[2:] == ["+record.json", "+last"]
    assert set(staging.listing(folder)) == {"data", "sub/data", "record.json", "last"}
    requests.clear()
    push(folder, SEALS)
    assert requests == []
    for name in ("data", "record.json", "last"):
        (folder / name).write_text("other")
    (folder / "sub/data").unlink()
    push(folder, SEALS)
    assert requests == ["-last", "-record.json", "+data", "+record.json", "+last", "-sub/data"]
    assert Store(s3).read("last") == b"other"
    requests.clear()
    (folder / "new.json").write_text("new")
    for name in ("data", "record.json"):
        (folder / name).unlink()
    push(folder, SEALS)  # What goes is there until what is new is.
    assert requests == ["+new.json", "-record.json", "-data"]


def test_what_is_left_out_stays_as_it_is(folder, s3):
    Store(s3).write("cache/x", b"theirs")
    (folder / "cache").mkdir()
    (folder / "cache/y").write_text("ours")
    push(folder, wanted=staging.but(("cache/*",)))
    assert {"cache/x", "data"} <= set(staging.listing(folder))
    assert "cache/y" not in staging.listing(folder)


def test_a_push_that_fails_is_finished_by_the_next(folder, s3, monkeypatch):
    upload = Store.upload

    def failing(self, source, name):
        if name == "sub/data":
            raise StoreError("away")
        upload(self, source, name)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "upload", failing)
        with pytest.raises(StoreError, match="away"):
            push(folder, SEALS)
        assert {"record.json", "last"}.isdisjoint(staging.listing(folder))
    push(folder, SEALS)
    assert set(staging.listing(folder)) == {"data", "sub/data", "record.json", "last"}


def test_what_is_to_be_new_is_not_overwritten(folder, s3):
    Store(s3).write("last", b"theirs")
    with pytest.raises(TakenError, match="somebody else has written it"):
        push(folder, SEALS, once=("last",))
    assert Store(s3).read("last") == b"theirs"


def test_patience_has_growing_pauses_and_an_end(monkeypatch, capsys):
    pauses, failures = [], [StoreError("away")] * 4

    def work():
        if failures:
            raise failures.pop()

    patiently(work, pauses.append)
    assert pauses == [1, 2, 4, 8]
    assert capsys.readouterr().err.count("away; trying again") == 4
    monkeypatch.setattr("digitline.base.storage.patience.LIMIT_S", 0)
    failures.append(StoreError("away"))
    with pytest.raises(StoreError, match=r"away; given up after .* run the same command again"):
        patiently(work, pauses.append)


def test_other_folders_are_left_alone(tmp_path):
    push(tmp_path / "none")
    assert pushing.push(tmp_path) is None

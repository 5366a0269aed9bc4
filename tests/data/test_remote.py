"""Datasets in an object store."""

import shutil

import pytest

from digitline.base import addresses
from digitline.base.errors import DataError, UserError
from digitline.base.storage import staging
from digitline.base.storage.store import Store, StoreError
from digitline.data import listing, prepare
from digitline.data.dataset import open_dataset

from support import DATASET, TESTDATA, call

FOLDER = f"{DATASET}/1.0.0"


def arguments(s3, *more):
    return [
        f"--dataset={DATASET}",
        "--digits",
        "--validation_fraction=0",
        f"--data_dir={s3}",
        f"--source_dir={TESTDATA}",
        "--num_shards=3",
        *more,
    ]


@pytest.fixture
def prepared(s3, data_dir):
    """The tiny dataset as objects, put there by hand."""
    for path in (data_dir / FOLDER).iterdir():
        Store(s3).upload(path, f"{FOLDER}/{path.name}")
    return s3


def test_a_dataset_is_prepared_in_a_bucket_and_found_again(s3, dataset, tmp_path):
    result = call(prepare.COMMAND, arguments(s3))
    assert result["directory"].endswith(FOLDER)
    assert set(staging.listing(addresses.local(f"{s3}/{FOLDER}"))) == {
        path.name for path in dataset.directory.iterdir()
    }
    shutil.rmtree(tmp_path / "cache")  # As on another machine.
    opened = open_dataset(addresses.local(s3), DATASET)
    assert opened.fingerprint == dataset.fingerprint
    assert call(prepare.COMMAND, arguments(s3))["reused"]
    assert [found.splits for found in listing.datasets(addresses.local(s3))] == [
        {"train": 1200, "test": 300}
    ]


def test_only_the_newest_version_of_the_dataset_is_fetched(prepared, tmp_path):
    Store(prepared).write(f"{DATASET}/0.9.0/dataset_info.json", b"{}")
    Store(prepared).write(f"{DATASET}/2.0.0/shard", b"being written")
    Store(prepared).write("other/1.0.0/dataset_info.json", b"{}")
    mirror = addresses.local(prepared)
    assert open_dataset(mirror, DATASET).version == "1.0.0"
    assert {name.rpartition("/")[0] for name in staging.files_in(mirror)} == {FOLDER}


def test_a_kill_in_the_middle_of_a_push_leaves_no_dataset(s3, monkeypatch):
    upload, written = Store.upload, []

    def killed(self, source, name):
        written.append(name)
        if len(written) > 5:
            raise KeyboardInterrupt
        upload(self, source, name)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "upload", killed)
        with pytest.raises(KeyboardInterrupt):
            call(prepare.COMMAND, arguments(s3))
    assert len(staging.listing(addresses.local(s3))) > 0
    with pytest.raises(DataError, match=f"{DATASET} is not prepared in"):
        open_dataset(addresses.local(s3), DATASET)
    assert not call(prepare.COMMAND, arguments(s3))["reused"]
    assert open_dataset(addresses.local(s3), DATASET).split("train").examples == 1200


def test_one_that_is_replaced_is_not_there_meanwhile(s3, monkeypatch):
    call(prepare.COMMAND, arguments(s3))
    upload, seen = Store.upload, []

    def watched(self, source, name):
        seen.append(f"{FOLDER}/dataset_info.json" in staging.listing(addresses.local(s3)))
        upload(self, source, name)

    monkeypatch.setattr(Store, "upload", watched)
    call(prepare.COMMAND, arguments(s3, "--overwrite", "--num_shards=2"))
    assert set(seen) == {False}
    assert len(staging.listing(addresses.local(s3))) == 4 + 4


def test_a_store_that_does_not_answer_is_one_line(s3, monkeypatch):
    def away(*_):
        raise StoreError("s3://x: cannot be written: away")

    monkeypatch.setattr(Store, "upload", away)
    monkeypatch.setattr("digitline.base.storage.patience.LIMIT_S", 0)
    with pytest.raises(UserError, match="away; given up after"):
        call(prepare.COMMAND, arguments(s3))


def test_pictures_in_a_bucket(s3, tmp_path):
    from PIL import Image

    source = tmp_path / "pictures"
    for label in ("cats", "dogs"):
        (source / label).mkdir(parents=True)
        for number in range(12):
            path = source / label / f"{number}.png"
            Image.new("L", (8, 8), number * 20).save(path)
            Store(s3).upload(path, f"pictures/{label}/{number}.png")
    flags = ["--dataset=image_folder", "--name=pets", f"--data_dir={tmp_path / 'data'}"]
    first = call(prepare.COMMAND, [*flags, f"--source_dir={s3}/pictures"])
    assert sum(first["splits"].values()) == 24
    assert first["origin"] == f"image folder {s3}/pictures"
    assert call(prepare.COMMAND, [*flags, f"--source_dir={s3}/pictures"])["reused"]
    shutil.rmtree(tmp_path / "cache")
    assert call(prepare.COMMAND, [*flags, f"--source_dir={s3}/pictures"])["reused"]
    Store(s3).write("pictures/cats/3.png", (source / "dogs" / "5.png").read_bytes())
    with pytest.raises(DataError, match="has changed since"):
        call(prepare.COMMAND, [*flags, f"--source_dir={s3}/pictures"])

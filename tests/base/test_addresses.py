from pathlib import Path

import pytest

from digitline.base import addresses
from digitline.base.errors import UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITLINE_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("S3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("hdfs://host:8020/data", "hdfs://host:8020/data"),
        ("hdfs:///data", "hdfs:///data"),
        ("abfs://container@account.dfs/x y", "abfs://container@account.dfs/x y"),
    ],
)
def test_a_mirror_stands_for_its_address(typed, address, cache):
    path = addresses.local(typed)
    assert addresses.is_address(typed)
    assert path.is_relative_to(cache)
    assert addresses.address_of(path) == address
    assert addresses.address_of(path / "more") == f"{address}/more"
    assert addresses.shown(f"in {path}/more, and '{path}'") == f"in {address}/more, and '{address}'"


@pytest.mark.parametrize(
    "path", ["folder", "/data/x", "a:b", "a://b", "C:/x", "./s3:/x", "x/s3://y"]
)
def test_other_paths_are_paths(path):
    assert not addresses.is_address(path)
    assert addresses.local(path) == Path(path)
    assert addresses.address_of(Path(path)) is None
    assert addresses.shown(path) == path


def test_an_address_of_a_local_file_is_a_path():
    assert addresses.local("file:///data/x") == Path("/data/x")
    assert not addresses.is_address("file:///data/x")


@pytest.mark.parametrize(
    ("typed", "cause"),
    [
        ("s3:/bucket/x", "two slashes: s3://bucket/x"),
        ("s3://", "expected an address such as s3://bucket/folder"),
        ("s3://bucket/../x", "expected an address"),
        ("s3://bucket//x", "expected an address"),
        ("simplecache::s3://bucket/x", "chained"),
    ],
)
def test_refuses_other_forms(typed, cause):
    assert addresses.is_address(typed)
    with pytest.raises(UsageError, match=cause):
        addresses.local(typed)

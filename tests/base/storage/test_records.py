"""JSON files of ours: sealed when they are written, checked when they are read."""

import contextlib
import dataclasses
import json
import os

import pytest

from digitline.base import configs
from digitline.base.errors import DataError
from digitline.base.storage import records


@dataclasses.dataclass(frozen=True)
class Inner:
    share: float

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share of {self.share}")


@dataclasses.dataclass(frozen=True)
class Figures:
    name: str
    count: int
    inner: Inner
    by_class: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    last: tuple[int, ...] | None = None


FIGURES = Figures("é", 3, Inner(0.1), {"train": [1, 2]}, (4,))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "figures.json"
    records.write(path, configs.to_config(FIGURES), "run 1")
    return path


def test_what_is_written_is_read(path):
    assert records.read(path, Figures, of="run 1") == FIGURES
    content = json.loads(path.read_text())
    del content["digest"]  # As an earlier version wrote it.
    path.write_text(json.dumps(content))
    assert records.read(path, Figures, of="whatever") == FIGURES


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_no_bit_turns_unseen(place, path):
    whole = path.read_bytes()
    for bit in range(8):
        content = bytearray(whole)
        content[place] ^= 1 << bit
        path.write_bytes(content)
        read = FIGURES
        with contextlib.suppress(DataError):
            read = records.read(path, Figures, of="run 1")
        assert read == FIGURES  # Where it is read, another space is all that has changed.


def test_of_another_run_and_edited(path):
    with pytest.raises(DataError, match=r"figures\.json is not as .*, or another run's\); mend it"):
        records.read(path, Figures, "mend it", of="run 2")
    path.write_text(path.read_text().replace('"count": 3', '"count": 4'))
    with pytest.raises(DataError, match="is not as digitline wrote it"):
        records.read(path, Figures, of="run 1")
    assert records.read_object(path, of=None)["count"] == 4


def test_what_may_be_edited(tmp_path):
    path = tmp_path / "config.json"
    records.write(path, {"data_dir": "here", "seed": 1}, free=("data_dir",))
    path.write_text(path.read_text().replace("here", "there"))
    content = records.read_object(path, free=("data_dir",))
    assert content == {"data_dir": "there", "seed": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON"),
        (b'{"name": "a"', "is not valid JSON"),
        (b"\xff{}", r"is not text \(byte 0 is not UTF-8\)"),
        (b"[]", "holds a list, not a JSON object"),
        (b"null", "holds null, not a JSON object"),
        (b'{"name": NaN}', "NaN is not a number of JSON"),
        (b'{"name": 1e999}', "1e999 is too large"),
        (b'{"count": 1' + b"0" * 9999 + b"}", "is not valid JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"name": ' + b"[" * 985 + b"]" * 985 + b"}", "is nested too deeply"),
        (b"{}", "lacks 'name'"),
        (b'{"name": 3, "count": 1, "inner": {"share": 0}}', "name is 3, expected str"),
        (b'{"name": "a", "count": true, "inner": {"share": 0}}', "count is True, expected int"),
        (b'{"name": "a", "count": 1, "inner": {"share": 2}}', "inner: a share of 2"),
        (
            b'{"name": "a", "count": 1, "inner": {"share": 0}, "by_class": {"a": [""]}}',
            "by_class.a",
        ),
        (b'{"name": "a", "count": 1, "inner": {"share": 0}, "more": 1}', "unknown key 'more'"),
    ],
)
def test_what_is_wrong_is_one_line(content, message, path):
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"figures\.json:? .*{message}.*; mend it$") as error:
        records.read(path, Figures, "mend it")
    assert len(str(error.value)) < 400


def a_folder(path):
    path.mkdir()


def a_link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (a_folder, "is a folder, not a file"),
        (os.mkfifo, "is a pipe, not a file"),
        (lambda path: path.symlink_to("nothing"), "is a link that leads nowhere"),
        (a_link_to_itself, "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_named_and_not_waited_for(make, message, path):
    path.unlink()
    make(path)
    with pytest.raises(DataError, match=rf"figures\.json:? {message}"):
        records.read(path, Figures)


def test_a_larger_file_is_not_read(path):
    with pytest.raises(DataError, match=r"figures\.json has \d+ bytes; at most 10 were expected"):
        records.read_json(path, most=10)

"""Full, read-only and vanishing disks, too few files, wrong clocks: one line, and nothing is lost.

These are a few troubles of a few commands; soak.py takes more of all.
"""

import functools
import os
import sys

import PIL.Image
import pytest

from forks import Forks
from kills import shim
from kills.harness import Stage
from nights import disks
from nights.disks import Trouble
from support import python

pytestmark = pytest.mark.skipif(not shim.is_there(), reason="needs gcc")

# How many troubles of a command, in random order.
SAMPLE = {"rollback": 4, "train": 1}


@pytest.fixture(scope="module")
def forks():
    with Forks(shim.environment()) as process:
        yield process


@pytest.mark.parametrize("name", SAMPLE)
def test_one_line_and_the_same_command_finishes(name, forks, tmp_path):
    stage = Stage(forks, name, tmp_path)
    for trouble in disks.sample(stage, SAMPLE[name], name):
        assert disks.attempt(stage, trouble) == [], trouble


def test_the_disk_of_a_killed_process_is_removed(tmp_path):
    place, *others = (tmp_path / name for name in ("a place", "one", "another"))
    for folder in (place, *others):
        folder.mkdir()
    code = (
        "import os, sys; from nights import disks\n"
        "disk = disks.small_disk(sys.argv[1]); disk.__enter__(); os.kill(os.getpid(), 9)"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    python(code, place, cwd=tmp_path, env=path)
    if not place.is_mount():
        pytest.skip("only root mounts disks")
    with disks.small_disk(others[0]):
        assert not place.exists()
        with disks.small_disk(others[1]):
            assert others[0].is_mount()  # It is in use.


@pytest.mark.long
@pytest.mark.parametrize("name", ["prepare_overwrite", "train", "export", "report", "evaluate"])
def test_more_of_them(name, forks, tmp_path):
    stage = Stage(forks, name, tmp_path)
    wrong = {}
    for trouble in disks.sample(stage, 40, os.getpid()):
        if found := disks.attempt(stage, trouble):
            wrong[str(trouble)] = found
    assert wrong == {}


@pytest.mark.long
def test_a_disk_that_is_full(forks, tmp_path):
    with disks.small_disk(tmp_path) as is_one:
        if not is_one:
            pytest.skip("this user may not mount a disk")
        stage = Stage(forks, "train", tmp_path)
        full = [trouble for trouble in disks.troubles(stage) if trouble.room is not None]
        found = {trouble: disks.attempt(stage, trouble) for trouble in full}
        assert found == {trouble: [] for trouble in full}


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (Trouble(3, error="ENOSPC"), "No space left on device"),
        (Trouble(3, error="EFBIG"), "File too large"),
        (Trouble(limit=("RLIMIT_FSIZE", 30)), ""),  # So is what is printed.
    ],
)
def test_writes_fail_as_asked(trouble, message, forks, tmp_path):
    """Else all of this would say nothing."""
    (tmp_path / "tmp").mkdir()
    before = functools.partial(disks.write_in_trouble, trouble, str(tmp_path), 20 * "x")
    ended = forks.run(["list"], folder=tmp_path, before=before)
    assert message in ended.err
    assert (tmp_path / "file").stat().st_size == 20 + 10 * (trouble.limit is not None)


@pytest.mark.parametrize("words", [("list",), ("predict", "--json", "picture.png")])
def test_who_only_reads_needs_no_disk(words, forks, tmp_path):
    (tmp_path / "tmp").mkdir()
    PIL.Image.new("L", (28, 28)).save(tmp_path / "picture.png")
    before = functools.partial(disks.begin, Trouble(1, error="EROFS"), str(tmp_path))
    usual = forks.run(words, folder=tmp_path)
    assert usual.status == 0
    assert forks.run(words, folder=tmp_path, before=before) == usual

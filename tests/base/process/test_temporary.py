import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from digitline.base import files
from digitline.base.process import temporary
from digitline.base.storage import records

from support import python

HOLDS = """
import sys, time
from pathlib import Path
from digitline.base.process import temporary
with temporary.{what}(Path(sys.argv[1])) as path:
    print(path, flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["file", "folder"])
def holder(request, tmp_path):
    """A process that has a temporary file or folder in a folder; and its path."""
    place = tmp_path if request.param == "folder" else tmp_path / "there.json"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS.format(what=request.param), str(place)],
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_what_a_process_holds_stays_and_what_a_killed_one_left_goes(holder):
    process, path = holder
    place = os.path.dirname(path)
    other = Path(place, "other.json")
    files.write_json(other, 1)
    assert os.path.exists(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert os.path.exists(path)
    files.write_json(other, 2)
    assert not os.path.exists(path)
    assert os.listdir(place) == ["other.json"]


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("call", ["open", "flock"])
def test_what_another_thread_sweeps_before_it_is_held_is_made_again(
    what, call, tmp_path, monkeypatch
):
    module = {"open": os, "flock": fcntl}[call]
    original, swept = getattr(module, call), []

    def sweeping_first(*given, **named):
        if not swept:
            swept.append(os.listdir(tmp_path))
            temporary.sweep(tmp_path)
        return original(*given, **named)

    monkeypatch.setattr(module, call, sweeping_first)
    place = tmp_path if what == "folder" else tmp_path / "there.json"
    with getattr(temporary, what)(place) as path:
        temporary.sweep(tmp_path)
        assert path.exists()
    assert swept
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["link to nothing", "pipe", "link to itself"])
def test_what_is_no_file_of_ours_stops_nothing(kind, tmp_path):
    path = tmp_path / f"{temporary.TEMPORARY}x"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("gone" if kind == "link to nothing" else path.name)
    files.write_json(tmp_path / "value.json", 1)
    assert records.read_json(tmp_path / "value.json") == 1


def test_a_command_leaves_nothing_in_the_temporary_folder(tmp_path):
    """Even what libraries leave when they are killed goes with the next command."""
    code = (
        "import os, signal, sys, tempfile; from digitline.cli import list\n"
        "run = list.COMMAND.run\n"
        "def leaves(options):\n"
        "    tempfile.mkstemp()\n"
        "    if sys.argv.pop() == 'killed': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return run(options)\n"
        "object.__setattr__(list.COMMAND, 'run', leaves)\n"
        "from digitline.base import command; command.main(list.COMMAND, ['digitline list'])"
    )
    where = {"cwd": tmp_path, "env": {**os.environ, "TMPDIR": str(tmp_path)}}
    assert python(code, "killed", **where).returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("tmp*"))) == 1
    assert python(code, "whole", **where).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_its_own_folder_ends_with_the_block(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with temporary.own_folder():
        assert os.path.dirname(tempfile.gettempdir()) == str(tmp_path)
        assert os.environ["TMPDIR"] == tempfile.gettempdir()
    assert (tempfile.gettempdir(), os.environ["TMPDIR"]) == (str(tmp_path), str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_two_folders_are_exchanged_at_once(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not files.exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this system exchanges no folders")
    assert os.listdir(tmp_path / "one") == ["other"]
    assert not files.exchange(tmp_path / "one", tmp_path / "gone")
    assert os.listdir(tmp_path / "one") == ["other"]

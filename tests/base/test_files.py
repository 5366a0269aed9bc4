import os
import signal
import subprocess
import sys

import pytest

from digitline.base import files
from digitline.base.errors import UserError
from digitline.base.storage import records
from digitline.base.tf import tf


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "value.json"
    files.write_json(path, {"old": 1})

    def fail_half_way():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert records.read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["value.json"]


@pytest.mark.parametrize("name", ["run[1]", "what?", "all*", r"back\\slash", "plain {a} é"])
def test_literal_leads_to_the_same_by_a_name_without_patterns(name, tmp_path):
    folder = files.ensure_folder(tmp_path / name)
    (folder / "file.txt").write_text("here")
    with files.literal(folder) as place:
        assert (place / "file.txt").read_text() == "here"
        assert tf.io.gfile.glob(str(place / "file.txt")) == [str(place / "file.txt")]
    with files.literal(folder / "file.txt") as place:
        assert (place.read_text(), place.suffix) == ("here", ".txt")
    assert (folder / "file.txt").exists()
    assert place.exists() == (place == folder / "file.txt")


def test_read_json_says_which_file_is_wrong(tmp_path):
    path = tmp_path / "value.json"
    with pytest.raises(UserError, match=r"value\.json does not exist"):
        records.read_json(path)
    path.write_text("{")
    with pytest.raises(UserError, match=r"value\.json is not valid JSON"):
        records.read_json(path)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(UserError, match="taken as a folder: there is a file"):
        files.ensure_folder(tmp_path / "taken")
    with pytest.raises(UserError, match="there is a file"):
        files.ensure_folder(tmp_path / "taken" / "below")


def test_two_processes_cannot_own_a_folder_and_a_kill_frees_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from digitline.base import files\n"
        "with files.owned(Path(sys.argv[1]), 'training'):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match="another process is training in"),
            files.owned(tmp_path, "training"),
        ):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with files.owned(tmp_path, "training"):
        pass

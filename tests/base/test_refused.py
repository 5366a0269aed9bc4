import errno
import os
import zipfile

import pytest

from digitline.base import files, refused
from digitline.base.errors import DataError
from digitline.base.tf import tf


def caught(work):
    """What a function raises."""
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing is raised")


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def wrapped():
    try:
        full()
    except OSError as error:
        raise RuntimeError("a library gives up") from error


def saved(folder):
    tf.io.write_file(str(folder), "text")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "run/x"), "run/x: No space left on devi"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files; allow more of them"),
        (OSError(errno.EROFS, "Read-only file system", "a", None, "b"), "a -> b: Read-only file "),
        (OSError(errno.EFBIG, "File too large", ".digitline-tmp-12-x.json"), "x.json: File too"),
        (OSError("200 requested and 100 written"), "No space left on device; free some space"),
        (ImportError("libx.so: cannot open: Too many open files"), "libx.so: cannot open: Too ma"),
        (tf.errors.ResourceExhaustedError(None, None, "r/c; No space left on device"), "r/c; No"),
        (tf.errors.UnknownError(None, None, "r/c; Input/output error"), "r/c; Input/output error"),
        (tf.errors.NotFoundError(None, None, "d/1; No such file or directory"), "d/1; No such fi"),
        (DataError("x is damaged"), "x is damaged"),
        (caught(wrapped), "No space left on device; free some space or use another folder, then"),
    ],
)
def test_one_line_with_the_file_and_what_to_do(error, line):
    said = str(refused.user_error(error))
    assert said.startswith(line)
    assert "\n" not in said


@pytest.mark.parametrize(
    "error",
    [
        ValueError("No space left on device"),
        zipfile.BadZipFile("x"),
        tf.errors.InvalidArgumentError(None, None, "shapes"),
        OSError("cannot write mode F as PNG"),
        ImportError("no module x"),
    ],
)
def test_faults_of_ours_are_none_of_these(error):
    assert refused.user_error(error) is None


def test_a_write_without_room_is_named(tmp_path):
    def writes():
        with files.naming(tmp_path / "x"):
            full()

    assert str(refused.user_error(caught(writes))).startswith(f"{tmp_path}/x: No space left")


def test_what_tensorflow_cannot_write_is_named(tmp_path):
    error = caught(lambda: saved(tmp_path))
    assert str(refused.user_error(error)).startswith(f"{tmp_path}; Is a directory; a folder is")


def test_a_file_that_may_be_whole_is_not_called_damaged(tmp_path, monkeypatch):
    """To restore it, or to train again, would be the wrong advice."""
    path = tmp_path / "config.json"
    path.touch()

    def none_left(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(os, "open", none_left)
    error = caught(lambda: files.opened(path))
    assert not isinstance(error, DataError)
    assert str(refused.user_error(error)).endswith("then run the same command again")


def test_the_folder_that_it_works_in_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "the folder that this was started in" in str(refused.user_error(caught(os.getcwd)))

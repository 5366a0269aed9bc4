"""Ctrl-C while a command starts and ends: one line, status 130."""

import pytest

from support import python

# Ctrl-C comes when a module begins to be imported, or when the process is about to end.
COMMAND = """
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # Background jobs ignore it.
from digitline.cli.main import main
where = sys.argv.pop()

class Finder:
    @staticmethod
    def find_spec(name, *_):
        if name == where:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
if where == "the end":
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
main()
"""
TRAIN = ("train", "--model=softmax", "--workdir=run")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (TRAIN, "absl.flags"),
        (TRAIN, "digitline.models.train"),
        (TRAIN, "keras"),
        (("list",), "digitline.cli.list"),
        (("list",), "the end"),
        pytest.param(TRAIN, "tensorflow", marks=pytest.mark.long),
        pytest.param(TRAIN, "tensorflow.python.eager.context", marks=pytest.mark.long),
        pytest.param(TRAIN, "tensorflow_datasets", marks=pytest.mark.long),
        pytest.param(TRAIN, "digitline.models.training.loop", marks=pytest.mark.long),
    ],
)
def test_one_line_and_status_130(words, where, tmp_path):
    ended = python(COMMAND, *words, where, cwd=tmp_path)
    assert ended.returncode == 130
    assert ended.stderr.endswith(
        "error: interrupted; the same command again resumes or starts clean\n"
    )
    assert ended.stderr.count("\n") == 1


def test_a_background_job_is_not_interrupted(tmp_path):
    code = COMMAND.replace("signal.default_int_handler", "signal.SIG_IGN")
    ended = python(code, "list", "digitline.cli.list", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")

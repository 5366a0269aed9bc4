"""Closed, full and unread standard streams: quiet, and the right exit status; see `streams`."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from faults.damage.tree import Tree

import forks
from forks import Ended
from nights import streams
from nights.streams import STATES
from support import free_port

# Commands that end at once, and the state that each is tried in by `make test`; `long`: in all.
QUICK = {
    (): "err full",
    ("--help",): "out full",
    ("--version",): "out closed",
    ("train", "--help"): "out unread",
    ("list",): "all closed",
    ("list", "--json"): "both full",
    ("list", "datasets"): "terminal gone",
    ("nonsense",): "err unread",
    ("list", "--nonsense", "--json"): "out full",
}
# Commands that work, on what is in a `Tree`, with the other files that they need.
WORKING = {
    "prepare": ("prepare", "--source_dir=../source", "--data_dir=other", "--dataset=tiny_digits"),
    "train": ("train", "--model=softmax", "--recipe=article", "--dataset=tiny_digits",
              "--data_dir=data", "--epochs=1", "--workdir=runs/new"),
    "evaluate": ("evaluate", "--workdir=runs/done", "--json"),
    "report": ("report", "--workdir=runs/done"),
    "inspect": ("inspect", "--dataset=tiny_digits", "--data_dir=data"),
    "predict": ("predict", "--tflite=exports/tflite/tiny/1/model.tflite", "picture.png"),
    "export": ("export", "--workdir=runs/done", "--split=test[:60]", "--runtimes=none",
               "--formats=tflite", "--tflite_variants=float32", "--export_dir=out"),
    "a wrong run": ("evaluate", "--workdir=runs/none", "--json"),
}  # fmt: skip


def run(words, folder, state=None):
    """A command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "digitline.cli", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=state.begin if state else None,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(("words", "name"), QUICK.items(), ids=map(" ".join, QUICK))
def test_streams_that_are_not_as_usual(words, name, tmp_path):
    usual, ended = run(words, tmp_path), run(words, tmp_path, STATES[name])
    assert [*streams.wrong(STATES[name], usual, ended)] == []


@pytest.mark.long
@pytest.mark.parametrize("words", QUICK, ids=map(" ".join, QUICK))
def test_all_states(words, tmp_path):
    usual, found = run(words, tmp_path), {}
    for name, state in STATES.items():
        found[name] = [*streams.wrong(state, usual, run(words, tmp_path, state))]
    assert found == {name: [] for name in STATES}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("streams"))


@pytest.mark.long
@pytest.mark.parametrize("name", WORKING)
def test_commands_that_work(name, tree):
    tree.restore()
    usual, found = forks.run(WORKING[name], folder=tree.work), {}
    for title, state in STATES.items():
        tree.restore()
        ended = forks.run(WORKING[name], folder=tree.work, before=state.begin)
        found[title] = [*streams.wrong(state, usual, ended)]
    assert found == {name: [] for name in STATES}


@pytest.mark.long
@pytest.mark.parametrize("name", STATES)
def test_a_server_goes_on(name, tree, tmp_path):
    state, port = STATES[name], free_port()
    words = ["serve", f"--rest_api_port={port}", "--port=0", "--model_name=tiny",
             f"--model_base_path={tree.work}/exports/tflite/tiny", "--access_log=-"]  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "digitline.cli", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=state.begin,
    ) as server:
        try:
            assert answers(server, f"http://127.0.0.1:{port}/v1/models/tiny")
            server.send_signal(signal.SIGTERM)
            out, err = server.communicate(timeout=60)
        finally:
            server.kill()
    usual = Ended(0, "answered 1 requests in 2 s\n", "")
    assert [*streams.wrong(state, usual, Ended(server.returncode, out, err))] == []


def answers(server, url):
    """Whether a server answers before it ends."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    return False

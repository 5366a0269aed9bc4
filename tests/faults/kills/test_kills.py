"""Killed at any call that changes a file, a command loses nothing, and finishes when run again.

These are a few calls of a few scenes; soak.py takes all, and scene by scene:
`SCENES=train KILLS=100 python tests/faults/kills/soak.py`.
"""

import functools
import random
import signal

import pytest

from forks import Forks
from kills import harness, shim
from kills.scenes import SCENES
from kills.shim import AFTER, BEFORE, HALF, Kill

pytestmark = pytest.mark.skipif(not shim.is_there(), reason="needs gcc")

# The scene; how many of its kills, in random order; and the calls that matter most, by their kind
# and how the path ends. What is not here, soak.py tries.
SAMPLE = [
    ("prepare_overwrite_without_source", 0, ("rename", "1.0.0")),
    ("rollback", 2, None),
    ("train", 0, ("rename", "run/model.keras")),  # Then its report is not there yet.
]


@pytest.fixture(scope="module")
def forks():
    with Forks(shim.environment()) as process:
        yield process


@pytest.mark.parametrize(("name", "count", "most"), SAMPLE, ids=[name for name, *_ in SAMPLE])
def test_nothing_is_lost_and_the_same_command_finishes(name, count, most, forks, tmp_path):
    stage = harness.Stage(forks, name, tmp_path)
    kills = stage.at(*most)[-2:] if most else []  # Before and after the last such call.
    assert bool(kills) == bool(most)
    for kill in [*kills, *random.Random(name).sample(stage.kills(), count)]:
        assert stage.attempt([kill]) == [], stage.describe([kill])


def test_runs_end_as_processes_do(forks, tmp_path):
    there = forks.run(["list", "--json"], folder=tmp_path)
    assert (there.status, there.err) == (0, "")
    assert there.out.startswith('{"')
    wrong = forks.run(["list", "--nonsense"], folder=tmp_path)
    assert (wrong.status, wrong.out) == (2, "")
    assert "Traceback" not in wrong.err
    slow = forks.run(["list"], folder=tmp_path, before=signal.pause, seconds=0.5)
    assert (slow.late, slow.status) == (True, -signal.SIGKILL)


@pytest.mark.parametrize("when", [BEFORE, AFTER, HALF])
def test_the_library_kills_at_the_call(when, forks, tmp_path):
    """Else all of this would say nothing."""
    (tmp_path / "tmp").mkdir()
    lines = 20 * "x" + "\n"
    before = functools.partial(harness.write_armed, Kill(3, when), str(tmp_path), lines)
    assert forks.run(["list"], folder=tmp_path, before=before).status == -signal.SIGKILL
    written = {BEFORE: 1, AFTER: 2, HALF: 1.5}[when]
    assert (tmp_path / "file").stat().st_size == int(written * len(lines))


def test_every_command_that_writes_is_in_a_scene():
    words = {scene.words[0] for scene in SCENES.values()}
    assert words == {"prepare", "train", "evaluate", "report", "inspect", "export"}

"""Readers of files take what is odd, or refuse it in one line: `judge` says what counts."""

import random
import time
import warnings

import hypothesis
import pytest
from faults.fuzz import catalogue, damage, fuzz, judge
from faults.fuzz.kept import KEPT
from hypothesis import strategies

from digitline.base.errors import DataError

# Each of its files is read in forks, which threads of other tests are no good for.
_FORKED = "tflite"


_IN_PROCESS = [name for name in catalogue.NAMES if name != _FORKED]


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """The targets by name, as long as they are used with bounds of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in catalogue.NAMES:
            for place in catalogue.target(name).patches:
                patch.setattr(*place)
        yield tmp_path_factory.mktemp("fuzz")


def trouble(folder, target, data):
    path = folder / target.file
    path.write_bytes(data)
    return judge.trouble(target.readers, path)


@pytest.mark.parametrize("name", _IN_PROCESS)
def test_odd_files_are_taken_or_refused_in_one_line(name, readers):
    target = catalogue.target(name)

    @hypothesis.settings(
        max_examples=target.examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategies.randoms(use_true_random=False))
    def check(chance):
        assert trouble(readers, target, target.made(chance)) is None

    check()


@pytest.mark.parametrize("name", [name for name in _IN_PROCESS if name != "wheels"])
def test_sound_files_are_read(name, readers):
    """Else nothing of the readers would be tried."""
    target, seeds = catalogue.target(name), catalogue.target(name).seeds()
    path = readers / target.file
    assert seeds
    for data in seeds:
        assert target.mend(data) == data
        path.write_bytes(data)
        for read in target.readers:
            read(path)


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, files in KEPT.items() for what in files]
)
def test_what_was_found_stays_mended(name, what, readers):
    assert trouble(readers, catalogue.target(name), KEPT[name][what]) is None


@pytest.mark.parametrize(
    "name", [_FORKED, *(pytest.param(name, marks=pytest.mark.long) for name in ("idx", "pictures"))]
)
def test_in_a_process_of_its_own(name):
    result = fuzz.fuzz(name, fuzz.Request(inputs=12, seconds=100, seed=0))
    assert (result["inputs"], result["crashes"], result["findings"]) == (12, 0, [])


def _nameless(path):
    raise DataError("damaged")


def _numeric(path):
    warnings.warn("overflow", RuntimeWarning, stacklevel=1)


def _keyed(path):
    return {}[path]


def _slow(path):
    end = time.process_time() + 0.02
    while time.process_time() < end:
        pass


def _filled(path):
    raise OSError(28, "No space left on device", str(path))


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (_nameless, "a message that does not name the file"),
        (_numeric, "RuntimeWarning at test_fuzz.py:"),
        (_keyed, "KeyError at test_fuzz.py:"),
        (_slow, "slow: _slow"),
        (_filled, None),
    ],
)
def test_the_judge(read, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "SECONDS", 0.01)
    finding = judge.trouble((read,), tmp_path / "file")
    assert finding is None if kind is None else finding.kind.startswith(kind)


def test_damage_depends_on_its_seed_only():
    made = [damage.damaged(random.Random(seed), bytes(range(99))) for seed in [*range(50)] * 2]
    assert made[:50] == made[50:]
    assert len(set(made)) > 20

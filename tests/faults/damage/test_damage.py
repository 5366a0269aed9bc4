"""Damaged files: each is named, or it is as if it were sound; see `trials`."""

import itertools
import os

import pytest
from faults.damage import kinds, trials
from faults.damage.tree import BOX, Tree

# In each of the processes that tests have.
_TRIALS = 5


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return trials.Judge(Tree(tmp_path_factory.mktemp("damaged"), trained=False))


@pytest.mark.parametrize("number", range(_TRIALS))
def test_damage_is_named_or_does_not_matter(number, judge):
    for trial in itertools.islice(trials.draw(judge.all(slow=False), number), 20):
        try:
            assert judge.trouble(trial) is None, trial
            return
        except kinds.UnfitError:
            continue
    pytest.skip("no damage fits")


@pytest.mark.parametrize(
    ("reader", "file", "kind"),
    [
        ("serve", f"{BOX}/model.tflite", "cut in the middle"),
        ("serve", f"{BOX}/manifest.json", "JSON: a key is missing"),
        ("serve by config files", "batching.config", "a pipe"),
    ],
)
def test_a_server_names_it(reader, file, kind, judge):
    assert judge.trouble(trials.Trial(reader, file, kind, 1)) is None


@pytest.mark.long
@pytest.mark.parametrize("seed", [os.getpid()])
def test_more_of_them(seed, tmp_path):
    judge, troubles = trials.Judge(Tree(tmp_path)), []
    for trial in itertools.islice(trials.draw(judge.all(slow=False), seed), 300):
        try:
            trouble = judge.trouble(trial)
        except kinds.UnfitError:
            continue
        if trouble:
            troubles.append(f"{trial}: {trouble}")
    assert troubles == []

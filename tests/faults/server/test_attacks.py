"""Attacks at real sockets beside a healthy client; the long form prints what each one costs."""

import concurrent.futures
import time

import attacks
import hostile_models
import pytest
from healthy import Healthy, Peak, resident
from served import serving_process


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    hostile_models.save(folder)
    return folder


@pytest.fixture(scope="module")
def server(models):
    with serving_process(models, f"--model_config_file={models / 'config'}") as server:
        with Healthy(server):  # What the first requests take is not an attack's.
            time.sleep(1)
        yield server


def run(server, attack, scale):
    """What comes of an attack, the healthy client, and megabytes before, at most and after."""
    work = attack(server, scale)
    before = resident(server.process.pid)
    with Peak(server.process.pid) as peak, Healthy(server) as healthy:
        time.sleep(0.2)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            outcomes = [job.result() for job in [pool.submit(each) for each in work]]
        time.sleep(0.5)
    after = resident(server.process.pid)
    return outcomes[0], healthy, [size >> 20 for size in (before, peak.bytes, after)]


ATTACKS = {
    attacks.packed_examples: (400, "at most 100000"),
    attacks.packed_brackets: (400, "at most 100000"),
    attacks.packed_nonsense: (400, "Invalid value"),
    attacks.filled_tensor: ("INVALID_ARGUMENT", "--max_filled_bytes"),
    attacks.empty_examples: ("INVALID_ARGUMENT", "at most 100000"),
    attacks.honest_rest: (200, "predictions"),
    attacks.honest_grpc: ("OK", ""),
    attacks.slow_model: ("OK", ""),
    attacks.idle: ("closed", ""),
    attacks.stalled_uploads: ("closed", ""),
    attacks.unread_answers: ("closed", ""),
    attacks.unread_streams: ("closed", ""),
}
# A fraction of the attack, and only of one of each kind; `make gate` runs them whole.
SHORT = (attacks.packed_examples, attacks.filled_tensor, attacks.honest_rest, attacks.idle)


@pytest.mark.parametrize(
    ("attack", "expected", "scale"),
    [
        *(pytest.param(each, ATTACKS[each], 0.3, id=f"{each.__name__}, short") for each in SHORT),
        *(
            pytest.param(each, expected, 1.0, id=each.__name__, marks=pytest.mark.long)
            for each, expected in ATTACKS.items()
        ),
    ],
)
def test_others_are_answered_and_the_memory_is_given_back(server, attack, expected, scale):
    (code, words), healthy, (before, peak, after) = run(server, attack, scale)
    print(f"{attack.__name__}: p99 {healthy.p99()} ms, {before} MB, at most {peak}, then {after}")
    assert (code, expected[1] in words) == (expected[0], True), words
    assert healthy.failures == []
    assert min(map(len, healthy.seconds.values())) > 10
    assert after < 1.5 * before + 100
    assert peak < before + 2000


def test_connections_without_end_leave_room_and_no_log(models, tmp_path):
    flags = (f"--model_base_path={models / 'm'}", "--model_name=m")
    few = ("prlimit", "--nofile=500:500")
    with serving_process(tmp_path, *flags, prefix=few) as server:
        _, healthy, _ = run(server, attacks.idle, 0.5)
        assert healthy.failures == []
        assert len(server.said()) < 5000

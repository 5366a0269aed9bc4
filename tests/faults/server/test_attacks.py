"""Attacks at real sockets beside a healthy client; `costs.py` prints what each one costs."""

import contextlib
import time

import attacks
import hostile_models
import pytest
from costs import Attacker
from healthy import Healthy
from served import serving_process


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    hostile_models.save(folder)
    return folder / "config"


@pytest.fixture(scope="module")
def attacker():
    with contextlib.closing(Attacker()) as attacker:
        yield attacker


@pytest.fixture(scope="module")
def server(config):
    with serving_process(config.parent, f"--model_config_file={config}") as server:
        with Healthy(server):  # What the first requests take is not an attack's.
            time.sleep(1)
        yield server


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
    attacks.half_sent_messages: ("closed", ""),
    attacks.unread_answers: ("closed", ""),
    attacks.unread_streams: ("closed", ""),
    attacks.unread_on_both: ("closed", ""),
}
# A fraction of the attack, and only of one of each kind; `make gate` runs them whole.
SHORT = (attacks.filled_tensor, attacks.honest_rest)


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
def test_others_are_answered_and_the_memory_is_given_back(
    server, attacker, attack, expected, scale
):
    cost = attacker.cost(server, attack.__name__, scale)
    assert (cost.code, expected[1] in cost.words) == (expected[0], True), cost.words
    assert cost.healthy.failures == []
    assert min(map(len, cost.healthy.seconds.values())) > 10
    assert cost.after < 1.5 * cost.before + 100
    assert cost.peak < cost.before + 1200


@pytest.mark.long
def test_connections_without_end_leave_room_and_no_log(config, attacker, tmp_path):
    flags = (f"--model_base_path={config.parent / 'm'}", "--model_name=m")
    few = ("prlimit", "--nofile=500:500")
    with serving_process(tmp_path, *flags, prefix=few) as server:
        assert attacker.cost(server, "idle", 0.5).healthy.failures == []
        assert len(server.said()) < 5000

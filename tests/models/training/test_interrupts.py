import os
import signal

from digitline.models.training.interrupts import Interrupts


def test_a_signal_is_noted_once_and_the_next_has_its_usual_effect():
    usual = []
    before = signal.signal(signal.SIGTERM, lambda number, _: usual.append(number))
    try:
        with Interrupts() as interrupts:
            assert interrupts.number is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert (interrupts.number, interrupts.name) == (signal.SIGTERM, "SIGTERM")
            assert not usual
            os.kill(os.getpid(), signal.SIGTERM)
            assert usual == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_the_caller_ignores_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # As of a script's background job.
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupts.number is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)

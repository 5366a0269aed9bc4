import time

import pytest

from digitline.base.errors import UserError
from digitline.base.process import clock


@pytest.mark.parametrize("seconds", [-3600.0, 10.0])
def test_a_clock_that_is_set_is_noticed(seconds, monkeypatch):
    assert not clock.was_set()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)
    assert clock.was_set()


def test_a_time_before_zip_files_is_named(tmp_path, monkeypatch):
    clock.require_for_zip(tmp_path / "model.keras")
    monkeypatch.setattr(time, "localtime", lambda: time.gmtime(100))
    with pytest.raises(UserError, match=r"model\.keras: the clock .* says .*: set the clock"):
        clock.require_for_zip(tmp_path / "model.keras")

import pytest
import server_cpu

from digitline.base.errors import UserError

from support import call


def test_the_table_compares_with_the_empty_handler_at_the_same_number_in_flight():
    empty, ours = (
        {"server": name, "protocol": "gRPC", "requests_per_s": 1000}
        for name in ("empty_grpc", "digitline")
    )
    rows = [
        {**empty, "in_flight": 1, "cpu_us": 300},
        {**empty, "in_flight": 8, "cpu_us": 200},
        {**ours, "in_flight": 8, "cpu_us": 500},
    ]
    assert server_cpu.text({"rows": rows}).splitlines()[-1].split()[-1] == "2.50"


def test_without_h2load_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(server_cpu.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match=r"h2load is not installed \(Debian: nghttp2-client"):
        call(server_cpu.COMMAND, [])

import asyncio

import pytest

from benchmarks.serving import command as bench
from benchmarks.serving import load
from digitline.base.errors import UsageError, UserError

from support import call


def run(*flags):
    return call(bench.COMMAND, ["serving", *flags])


def test_rows_of_ours_and_of_the_plain_server(exported):
    found = run(
        f"--saved_model={exported.saved_model}",
        "--servers=digitline,plain_grpc",
        "--in_flight=1,4",
        "--seconds=0.2",
    )
    rows = {(row["server"], row["protocol"], row["in_flight"]): row for row in found["rows"]}
    assert set(rows) == {
        (*each, level)
        for each in (("digitline", "gRPC"), ("digitline", "REST"), ("plain_grpc", "gRPC"))
        for level in (1, 4)
    }
    for row in rows.values():
        assert row["errors"] == 0
        assert row["requests_per_s"] > 10
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert 100 < row["rss_mb"] < 5000
    assert set(found["ready_s"]) == {"digitline", "plain_grpc"}
    assert 0 < found["empty_grpc_p50_ms"] < 1000
    assert "times as many requests/s as the plain server" in bench.text(found)


def test_a_peer_that_is_not_there_is_listed(exported, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"No module named 'mlserver'\" >&2\nexit 1\n")
    python.chmod(0o755)
    found = run(
        f"--saved_model={exported.saved_model}",
        "--servers=mlserver,fastapi,plain_grpc",
        "--in_flight=1",
        "--seconds=0.1",
        f"--peer_python=mlserver={python},fastapi=/none/python,plain_grpc=/none/python",
    )
    assert found["rows"] == []
    assert found["missing"]["mlserver"] == "No module named 'mlserver'"
    assert found["missing"]["fastapi"] == "/none/python: No such file or directory"
    assert "plain_grpc does not start" in found["missing"]["plain_grpc"]


def test_refused_requests_are_errors():
    answers = iter([*[True] * 20, True, False, True])

    async def send():
        return next(answers, True)

    found = asyncio.run(load.measure([send, send], 0.01))
    assert found["errors"] == 1
    assert found["requests_per_s"] > 0


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--servers=fastapy", "did you mean fastapi?"),
        ("--in_flight=0", "'0' is no positive number"),
        ("--peer_python=foo", "expected NAME=PATH, got 'foo'"),
        ("--peer_python=fastapi=", "expected NAME=PATH, got 'fastapi='"),
        ("--peer_python=fastapy=/usr/bin/python3", "did you mean fastapi?"),
        ("--peer_python=digitline=/usr/bin/python3", "unknown peer 'digitline'"),
    ],
)
def test_mistakes(flag, words):
    with pytest.raises(UsageError) as caught:
        run(flag)
    assert words in str(caught.value)


def test_no_such_model(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        run(f"--saved_model={tmp_path}/none")

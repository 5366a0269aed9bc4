import asyncio
import json

import pytest

import serving
from digitline.base.errors import UsageError, UserError

import serving_load
from support import call


@pytest.mark.long
def test_rows_of_ours_and_of_the_plain_server(exported, tmp_path):
    output = tmp_path / "serving.json"
    result = call(
        serving.COMMAND,
        [
            f"--saved_model={exported.saved_model}",
            "--servers=digitline,plain_grpc",
            "--in_flight=1,4",
            "--seconds=0.1",
            f"--output={output}",
        ],
    )
    rows = {(row["server"], row["protocol"], row["in_flight"]): row for row in result["rows"]}
    assert set(rows) == {
        (*server, level)
        for server in (("digitline", "gRPC"), ("digitline", "REST"), ("plain_grpc", "gRPC"))
        for level in (1, 4)
    }
    for row in rows.values():
        assert row["errors"] == 0
        assert row["requests_per_s"] > 10
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert 100 < row["rss_mb"] < 5000
    assert set(result["ready_s"]) == {"digitline", "plain_grpc"}
    assert 0 < result["empty_grpc_p50_ms"] < 1000
    assert "times as many requests/s as the plain server" in serving.text(result)
    assert json.loads(output.read_text()) == result


@pytest.mark.long
def test_a_peer_that_is_not_installed_is_listed(exported, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"No module named 'mlserver'\" >&2\nexit 1\n")
    python.chmod(0o755)
    result = call(
        serving.COMMAND,
        [
            f"--saved_model={exported.saved_model}",
            "--servers=mlserver,fastapi,plain_grpc",
            f"--peer_python=mlserver={python},fastapi=/none/python,plain_grpc=/none/python",
            f"--output={tmp_path / 'serving.json'}",
        ],
    )
    assert result["rows"] == []
    assert result["missing"]["mlserver"] == "No module named 'mlserver'"
    assert result["missing"]["fastapi"] == "/none/python: No such file or directory"
    assert "plain_grpc does not start" in result["missing"]["plain_grpc"]
    assert not (tmp_path / "serving.json").exists()


def test_refused_requests_are_errors():
    answers = iter([*[True] * 20, True, False, True])

    async def send():
        return next(answers, True)

    load = asyncio.run(serving_load.measure([send, send], 0.01))
    assert load["errors"] == 1
    assert load["requests_per_s"] > 0


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--servers=fastapy", r"did you mean fastapi\?"),
        ("--in_flight=0", "'0' is not a positive number"),
        ("--peer_python=foo", "expected NAME=PATH, got 'foo'"),
        ("--peer_python=fastapi=", "expected NAME=PATH, got 'fastapi='"),
        ("--peer_python=fastapy=/usr/bin/python3", r"did you mean fastapi\?"),
        ("--peer_python=digitline=/usr/bin/python3", "unknown peer 'digitline'"),
    ],
)
def test_mistakes(flag, message):
    with pytest.raises(UsageError, match=message):
        call(serving.COMMAND, [flag])


def test_no_such_model(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        call(serving.COMMAND, [f"--saved_model={tmp_path}/none"])

"""TensorFlow's profiler on the gRPC port."""

import concurrent.futures
import time

import grpc
import pytest
from half_models import save_tf1
from served import serving, serving_process

from digitline.base.tf import tf
from digitline.serving.protocol import messages

PROFILE = "/tensorflow.ProfilerService/Profile"
ONE = "/v1/models/default:predict", b'{"instances": [1.0]}'


def profile(server, milliseconds):
    """The code of a call for a trace, and its answer or words."""
    request = messages.ProfileRequest(duration_ms=milliseconds).SerializeToString()
    with server.channel() as channel:
        try:
            answer = channel.unary_unary(PROFILE)(request, timeout=30)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", messages.ProfileResponse.FromString(answer)


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    save_tf1(folder / "1")
    return folder


def test_a_trace_names_the_ops_that_ran_and_one_is_taken_at_a_time(half):
    with (
        serving(f"--model_base_path={half}") as server,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        traces = [pool.submit(profile, server, 1000) for _ in range(2)]
        while not all(trace.done() for trace in traces):
            assert server.get(*ONE)[0] == 200
        refused, (code, answer) = sorted(trace.result()[:2] for trace in traces)
        assert refused == ("ALREADY_EXISTS", "A trace is being taken; try again")
        assert code == "OK"
        (tool,) = answer.tool_data
        assert tool.name == "xplane.pb"
        assert b"SessionRun" in tool.data
        assert b"ReadVariableOp" in tool.data
        for milliseconds in (0, 10_001, 2**64 - 1):
            code, words = profile(server, milliseconds)
            assert code == "INVALID_ARGUMENT"
            assert f"duration_ms is {milliseconds}, not between 1 and 10000" in words


def test_a_client_that_has_gone_leaves_no_trace_that_nobody_ends(half):
    with serving(f"--model_base_path={half}") as server:
        request = messages.ProfileRequest(duration_ms=10_000).SerializeToString()
        with server.channel() as channel:
            code = "OK"
            while code == "OK":  # Else the short one came first, and this one was refused.
                call = channel.unary_unary(PROFILE).future(request)
                time.sleep(0.2)
                code, _ = profile(server, 1)
            call.cancel()
        end = time.monotonic() + 5
        while (code := profile(server, 1)[0]) == "ALREADY_EXISTS":
            assert time.monotonic() < end
        assert code == "OK"


def test_without_it_the_call_is_unknown(half):
    with serving(f"--model_base_path={half}", "--noenable_profiler") as server:
        assert profile(server, 100)[0] == "UNIMPLEMENTED"


@pytest.mark.long
def test_tensorflows_own_client_writes_the_trace(half, tmp_path):
    with (
        serving_process(tmp_path, f"--model_base_path={half}") as server,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        asking = pool.submit(lambda: [server.get(*ONE) for _ in range(300)])
        address = f"grpc://127.0.0.1:{server.port}"
        tf.profiler.experimental.client.trace(address, str(tmp_path / "logs"), 1000)
        asking.result()
    (trace,) = tmp_path.rglob("*.xplane.pb")
    assert b"SessionRun" in trace.read_bytes()

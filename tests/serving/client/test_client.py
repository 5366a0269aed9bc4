import asyncio
import concurrent.futures
import socket
import ssl
import threading
import time

import grpc
import numpy as np
import pytest
import stub_server

from digitline.base.errors import UsageError, UserError
from digitline.serving.client import AsyncClient, Client, ServerError, VersionStatus

from support import python

WAYS = [(protocol, kind) for protocol in ("grpc", "http") for kind in ("sync", "async")]


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def way(request):
    """(stub, ask): `ask("predict", …)` makes one call, sync or async, to the stub."""
    protocol, kind = request.param
    stub = stub_server.grpc_stub() if protocol == "grpc" else stub_server.rest_stub()
    yield stub, lambda *arguments, **named: ask(kind, stub.address, *arguments, **named)
    stub.stop()


@pytest.fixture(autouse=True)
def calm(request):
    """Whatever a test does to a stub is over when the next one begins."""
    yield
    if "way" in request.fixturenames:
        stub = request.getfixturevalue("way")[0]
        stub.requests, stub.sizes, stub.refusals, stub.delay_s = [], [], [], 0.0


def ask(kind, address, method, *arguments, options=None, **named):
    if kind == "sync":
        with Client(address, **(options or {})) as client:
            return getattr(client, method)(*arguments, **named)

    async def work():
        async with AsyncClient(address, **(options or {})) as client:
            return await getattr(client, method)(*arguments, **named)

    return asyncio.run(work())


def images(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28, 1), np.uint8)


def test_predict(way):
    _, ask = way
    pixels = images(3)
    found = ask("predict", {"images": pixels})
    assert set(found) == {"probabilities", "classes"}
    np.testing.assert_allclose(found["probabilities"], stub_server.probabilities(pixels))
    assert found["probabilities"].dtype == np.float32
    assert found["classes"].dtype == np.int64
    assert found["classes"].tolist() == found["probabilities"].argmax(axis=1).tolist()
    found["probabilities"] *= 2  # An answer is the caller's own.


def test_a_lone_input_needs_no_name_and_no_array(way):
    _, ask = way
    pixels = images(2)
    expected = stub_server.probabilities(pixels)
    for inputs in (pixels, pixels.tolist(), {"images": pixels.tolist()}):
        found = ask("predict", inputs, outputs=["probabilities"])
        assert list(found) == ["probabilities"]
        np.testing.assert_allclose(found["probabilities"], expected)
    lone = ask("predict", [1.5, 2], signature="lone")["y"]
    assert (lone.dtype, lone.tolist()) == (np.float16, [3.0, 4.0])


def test_several_inputs_strings_and_numbers_that_are_none(way):
    _, ask = way
    numbers = np.array([[1, np.nan], [np.inf, -np.inf]], np.float32)
    words = np.array([b"\xff\xfe raw", "é".encode()], object)
    found = ask("predict", {"numbers": numbers, "words": words}, signature="echo")
    np.testing.assert_array_equal(found["numbers"], numbers)
    assert found["words"].tolist() == found["raw_bytes"].tolist() == words.tolist()
    assert found["total"].tolist() == [6, 2]
    found = ask("predict", {"numbers": [[1, 2]], "words": ["é"]}, signature="echo")
    assert found["words"].tolist() == ["é".encode()]


def test_versions_and_labels_reach_the_server(way):
    stub, ask = way
    ask("predict", {"images": images(1)}, model="digits", version=7)
    assert ("predict", "digits", 7, None) in stub.requests
    ask("status", model="digits", label="canary")
    ask("metadata", version=3)
    assert stub.requests[-2:] == [
        ("status", "digits", None, "canary"),
        ("metadata", "default", 3, None),
    ]
    with pytest.raises(UsageError, match="a version or a label, not both"):
        ask("status", version=1, label="canary")


def test_status(way):
    assert way[1]("status") == [
        VersionStatus(2, "LOADING", "OK", ""),
        VersionStatus(1, "AVAILABLE", "OK", ""),
        VersionStatus(3, "END", "NOT_FOUND", "no variables"),
    ]


def test_metadata(way):
    found = way[1]("metadata")
    assert set(found) == set(stub_server.SIGNATURES)
    default = found["serving_default"]
    assert default.method == "tensorflow/serving/predict"
    assert default.inputs["images"].dtype == 4
    assert default.inputs["images"].shape == (None, 28, 28, 1)
    assert default.outputs["classes"].shape == (None,)
    assert found["lone"].inputs["x"].shape is None


def test_images_are_sent_in_batches(way):
    stub, ask = way
    pixels = images(70)
    found = ask("classify_images", pixels, batch=32)
    assert stub.sizes == [32, 32, 6]
    expected = stub_server.probabilities(pixels)
    np.testing.assert_allclose(found.probabilities, expected)
    assert found.classes is not None
    assert found.classes.tolist() == expected.argmax(axis=1).tolist()
    assert found.labels == [str(number) for number in found.classes]
    assert found.names is None
    assert ask("classify_images", pixels[:0]).labels == []


def test_a_model_of_a_fixed_batch_gets_full_ones(way):
    stub, ask = way
    pixels = images(6)
    found = ask("classify_images", pixels, signature="of_four")
    assert stub.sizes == [4, 4]
    np.testing.assert_allclose(found.probabilities, stub_server.probabilities(pixels))


def test_class_names_of_a_server(way):
    _, ask = way
    pixels = images(5)
    expected = stub_server.probabilities(pixels)
    found = ask("classify_images", pixels, signature="classify")
    assert found.labels == [stub_server.NAMES[index] for index in expected.argmax(axis=1)]
    assert found.classes is None
    assert found.names is not None
    for row, names, values in zip(expected, found.names, found.probabilities, strict=True):
        np.testing.assert_allclose(values, [row[stub_server.NAMES.index(name)] for name in names])


def test_what_the_server_refuses_is_said(way):
    stub, ask = way
    with pytest.raises(ServerError) as caught:
        ask("predict", {"images": images(1)}, model="cats")
    assert caught.value.code == "NOT_FOUND"
    assert caught.value.details == {"code": "NOT_FOUND"}
    assert str(caught.value) == (
        f"{stub.address}: model 'cats': Servable not found for request: Latest(cats); "
        "the server's --model_name or --model_config_file says what it serves"
    )
    with pytest.raises(ServerError, match="INVALID_ARGUMENT: input size does not match") as caught:
        ask("predict", {"pictures": images(1)})
    assert stub.requests.count(("predict", "default", None, None)) == 1  # Not again.


def test_a_model_may_have_any_name(way):
    _, ask = way
    for name in ("certificate", "handshake", "HTTP/1", "Connection refused"):
        with pytest.raises(ServerError, match="Servable not found") as caught:
            ask("status", model=name)
        assert caught.value.code == "NOT_FOUND"


def test_an_empty_label_is_none(way):
    stub, ask = way
    ask("status", version=1, label="")
    ask("status", label="")
    assert stub.requests == [("status", "default", 1, None), ("status", "default", None, None)]


@pytest.mark.parametrize("batch", [0, -1])
def test_batches_of_nothing(way, batch):
    stub, ask = way
    with pytest.raises(UsageError, match=f"expected 1 or more images in a request, got {batch}"):
        ask("classify_images", images(2), batch=batch)
    assert stub.sizes == []


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_http_statuses_of_proxies(kind):
    stub = stub_server.rest_stub()
    for status, code in ((413, "RESOURCE_EXHAUSTED"), (499, "CANCELLED"), (418, "UNKNOWN")):
        stub.refusals = [status]
        with pytest.raises(ServerError, match="no place in the queue") as caught:
            ask(kind, stub.address, "status")
        assert caught.value.code == code
    assert len(stub.requests) == 3
    stub.stop()


@pytest.mark.parametrize(
    "outputs",
    [
        {"classes": np.array([2**64 - 1], np.uint64)},  # More than the signature's int64 holds.
        {"words": np.array([b"x"], object)},
    ],
    ids=["too large", "another name"],
)
def test_answers_that_are_not_the_signatures(outputs):
    stub = stub_server.rest_stub()
    stub.predict = lambda signature, inputs: {"probabilities": np.zeros((1, 10)), **outputs}
    with (
        Client(stub.address) as client,
        pytest.raises(UserError, match="it does not answer as TF Serving does"),
    ):
        client.predict(images(1))
    stub.stop()


def test_what_cannot_be_asked_is_said(way):
    stub, ask = way
    for arguments, named, message in (
        ([[1]], {"signature": "none"}, "has no signature 'none' (there are: classify, echo,"),
        ([[1]], {"signature": "echo"}, "takes ['numbers', 'words']: give them by name"),
        ([{"images": "x"}], {}, "input 'images': invalid literal"),
        ([{"images": [300]}], {}, "input 'images': Python integer 300 out of bounds"),
        ([{"images": images(1)}], {"outputs": ["logits"]}, "logits"),
    ):
        with pytest.raises((UserError, KeyError)) as caught:
            ask("predict", *arguments, **named)
        assert message in str(caught.value)
        assert isinstance(caught.value, UserError)
        assert stub.address in str(caught.value)
    with pytest.raises(
        UserError, match=r"got uint8 \[28, 28\] for images uint8 \[None, 28, 28, 1\]"
    ):
        ask("classify_images", images(1)[0, :, :, 0])


def test_a_busy_server_is_asked_again(way):
    stub, ask = way
    stub.refusals = [503, 503]
    assert len(ask("status")) == 3
    assert len(stub.requests) == 3
    stub.refusals = [503] * 5
    with pytest.raises(ServerError, match="not available now: no place in the queue") as caught:
        ask("status", options={"retries": 1})
    assert caught.value.code == "UNAVAILABLE"
    assert len(stub.requests) == 5
    stub.refusals = [400]
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        ask("status")
    assert len(stub.requests) == 6


def test_deadline(way):
    stub, ask = way
    stub.delay_s = 0.8
    start = time.monotonic()
    with pytest.raises(ServerError, match=r"no answer within 0\.2 s") as caught:
        ask("status", timeout=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - start < 0.7
    # Retries do not go beyond it either.
    stub.delay_s, stub.refusals = 0.0, [503] * 50
    start = time.monotonic()
    with pytest.raises(ServerError):
        ask("status", options={"retries": 50, "timeout": 0.5})
    assert time.monotonic() - start < 0.7


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize(("protocol", "kind"), WAYS)
def test_nothing_listens(protocol, kind):
    address = f"{protocol}://127.0.0.1:{free_port()}"
    with pytest.raises(ServerError) as caught:
        ask(kind, address, "status", options={"retries": 1})
    assert str(caught.value) == (
        f"nothing listens at {address}; "
        "is `digitline serve` or tensorflow_model_server running there?"
    )


@pytest.mark.parametrize(("protocol", "kind"), WAYS)
def test_a_server_that_comes_up_is_found(protocol, kind):
    port, stubs = free_port(), []

    def start():
        if protocol == "grpc":
            stubs.append(stub_server.grpc_stub(f"127.0.0.1:{port}"))
        else:
            stubs.append(stub_server.rest_stub(port))

    timer = threading.Timer(0.4, start)
    timer.start()
    try:
        found = ask(kind, f"{protocol}://127.0.0.1:{port}", "status", options={"retries": 20})
        assert len(found) == 3
    finally:
        timer.join()
        stubs[0].stop()


def test_values_in_the_fields_of_their_types():
    # TF Serving's default answers.
    stub = stub_server.grpc_stub(typed=True)
    found = ask("sync", stub.address, "predict", {"images": images(2)})
    np.testing.assert_allclose(found["probabilities"], stub_server.probabilities(images(2)))
    stub.stop()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_unix_socket(tmp_path, kind):
    stub = stub_server.grpc_stub(f"unix:{tmp_path}/serving.sock")
    assert len(ask(kind, f"unix://{tmp_path}/serving.sock", "status")) == 3
    stub.stop()
    with pytest.raises(ServerError, match="nothing listens at unix:///"):
        ask(kind, f"unix://{tmp_path}/none.sock", "status", options={"retries": 0})


@pytest.mark.parametrize(("protocol", "kind"), WAYS)
def test_tls_both_ways(certificates, protocol, kind):
    read = {path.name: path.read_bytes() for path in certificates.iterdir()}
    if protocol == "grpc":
        credentials = grpc.ssl_server_credentials(
            [(read["server.key"], read["server.pem"])], read["ca.pem"], require_client_auth=True
        )
        stub = stub_server.grpc_stub("127.0.0.1:0", credentials)
    else:
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=certificates / "ca.pem"
        )
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        stub = stub_server.rest_stub(context=context)
    ca, cert, key = (certificates / name for name in ("ca.pem", "client.pem", "client.key"))
    whole = {"ca": ca, "cert": cert, "key": key, "retries": 0}
    try:
        assert len(ask(kind, stub.address, "status", options=whole)) == 3
        with pytest.raises(ServerError):  # No certificate of the client.
            ask(kind, stub.address, "status", options={"ca": ca, "retries": 0})
        wrong = {**whole, "ca": certificates / "other.pem"}
        with pytest.raises(ServerError) as caught:  # Another authority.
            ask(kind, stub.address, "status", options=wrong)
        assert caught.value.code in ("UNAUTHENTICATED", "UNAVAILABLE")
        with pytest.raises(UsageError, match="needs its key"):
            ask(kind, stub.address, "status", options={"cert": cert})
        with pytest.raises(UserError, match=r"none\.pem: No such file"):
            ask(kind, stub.address, "status", options={"ca": certificates / "none.pem"})
    finally:
        stub.stop()


def test_the_other_protocol_is_recognized():
    stubs = stub_server.grpc_stub(), stub_server.rest_stub()
    for kind in ("sync", "async"):
        for stub, scheme, other in ((stubs[0], "http", "grpc"), (stubs[1], "grpc", "http")):
            address = f"{scheme}://{stub.address.partition('://')[2]}"
            with pytest.raises(ServerError) as caught:
                ask(kind, address, "status", options={"retries": 0, "timeout": 5})
            assert f"{other}://…?" in str(caught.value)
    for stub in stubs:
        stub.stop()


def test_many_at_once(way):
    stub, _ = way
    pixels = [images(2, seed) for seed in range(24)]
    expected = [stub_server.probabilities(each) for each in pixels]
    with Client(stub.address) as client, concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = list(threads.map(client.predict, pixels))
    for one, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(one["probabilities"], right)

    async def all_at_once():
        async with AsyncClient(stub.address) as client:
            return await asyncio.gather(*[client.predict(each) for each in pixels])

    for one, right in zip(asyncio.run(all_at_once()), expected, strict=True):
        np.testing.assert_allclose(one["probabilities"], right)


def test_a_restarted_server_is_found_again():
    for protocol, make in (
        ("grpc", lambda port: stub_server.grpc_stub(f"127.0.0.1:{port}")),
        ("http", stub_server.rest_stub),
    ):
        port = free_port()
        stub = make(port)
        with Client(f"{protocol}://127.0.0.1:{port}") as client:
            assert len(client.status()) == 3
            stub.stop()
            stub = make(port)
            assert len(client.status()) == 3  # The old connection is gone.
        stub.stop()


def test_without_tensorflow(way, tmp_path):
    stub, _ = way
    code = (
        "import sys, asyncio, numpy as np\n"
        "from digitline.serving.client import AsyncClient, Client\n"
        "pixels = np.zeros((2, 28, 28, 1), np.uint8)\n"
        "with Client(sys.argv[1]) as client:\n"
        "    print(client.classify_images(pixels).labels, client.status()[1].state)\n"
        "async def work():\n"
        "    async with AsyncClient(sys.argv[1]) as client:\n"
        "        return await client.classify_images(pixels, signature='classify')\n"
        "print(asyncio.run(work()).labels)\n"
        "heavy = {'tensorflow', 'tensorflow_serving', 'keras', 'ai_edge_litert'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = python(code, stub.address, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith("AVAILABLE")

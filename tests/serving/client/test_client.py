"""What a client asks and reads; test_connections.py has how it gets there."""

import numpy as np
import pytest
import stub_server

from digitline.base.errors import UsageError, UserError
from digitline.serving.client import Client, ServerError, VersionStatus

from support import python


@pytest.fixture
def client(stub):
    with Client(stub.address) as client:
        yield client


def images(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28, 1), np.uint8)


def test_outputs_come_by_name_with_their_types(client):
    pixels = images(3)
    outputs = client.predict({"images": pixels})
    assert set(outputs) == {"probabilities", "classes"}
    np.testing.assert_allclose(outputs["probabilities"], stub_server.probabilities(pixels))
    assert outputs["probabilities"].dtype == np.float32
    assert outputs["classes"].dtype == np.int64
    assert outputs["classes"].tolist() == outputs["probabilities"].argmax(axis=1).tolist()
    outputs["probabilities"] *= 2  # An answer is the caller's own.


def test_an_only_input_needs_no_name_and_no_array(client):
    pixels = images(2)
    expected = stub_server.probabilities(pixels)
    for inputs in (pixels, pixels.tolist(), {"images": pixels.tolist()}):
        outputs = client.predict(inputs, outputs=["probabilities"])
        assert list(outputs) == ["probabilities"]
        np.testing.assert_allclose(outputs["probabilities"], expected)
    only = client.predict([1.5, 2], signature="only")["y"]
    assert (only.dtype, only.tolist()) == (np.float16, [3.0, 4.0])


def test_several_inputs_strings_and_numbers_that_are_not_finite(client):
    numbers = np.array([[1, np.nan], [np.inf, -np.inf]], np.float32)
    words = np.array([b"\xff\xfe raw", "é".encode()], object)
    outputs = client.predict({"numbers": numbers, "words": words}, signature="echo")
    np.testing.assert_array_equal(outputs["numbers"], numbers)
    assert outputs["words"].tolist() == outputs["raw_bytes"].tolist() == words.tolist()
    assert outputs["total"].tolist() == [6, 2]
    outputs = client.predict({"numbers": [[1, 2]], "words": ["é"]}, signature="echo")
    assert outputs["words"].tolist() == ["é".encode()]


def test_values_in_the_fields_of_their_types():
    # TF Serving's default answers.
    stub = stub_server.grpc_stub(typed=True)
    with Client(stub.address) as client:
        outputs = client.predict({"images": images(2)})
    np.testing.assert_allclose(outputs["probabilities"], stub_server.probabilities(images(2)))
    stub.stop()


def test_versions_and_labels_reach_the_server(stub, client):
    client.predict({"images": images(1)}, model="digits", version=7)
    client.status(model="digits", label="canary")
    client.metadata(version=3)
    client.status(version=1, label="")
    client.status(label="")
    assert [request for request in stub.requests if request[:2] != ("metadata", "digits")] == [
        ("predict", "digits", 7, None),
        ("status", "digits", None, "canary"),
        ("metadata", "default", 3, None),
        ("status", "default", 1, None),
        ("status", "default", None, None),
    ]
    with pytest.raises(UsageError, match="a version or a label, not both"):
        client.status(version=1, label="canary")


def test_status(client):
    assert client.status() == [
        VersionStatus(2, "LOADING", "OK", ""),
        VersionStatus(1, "AVAILABLE", "OK", ""),
        VersionStatus(3, "END", "NOT_FOUND", "no variables"),
    ]


def test_metadata(client):
    signatures = client.metadata()
    assert set(signatures) == set(stub_server.SIGNATURES)
    default = signatures["serving_default"]
    assert default.method == "tensorflow/serving/predict"
    assert default.inputs["images"].dtype == 4
    assert default.inputs["images"].shape == (None, 28, 28, 1)
    assert default.outputs["classes"].shape == (None,)
    assert signatures["only"].inputs["x"].shape is None


def test_images_are_sent_in_batches(stub, client):
    pixels = images(70)
    classified = client.classify_images(pixels, batch=32)
    assert stub.batch_sizes == [32, 32, 6]
    expected = stub_server.probabilities(pixels)
    np.testing.assert_allclose(classified.probabilities, expected)
    assert classified.classes.tolist() == expected.argmax(axis=1).tolist()
    assert classified.labels == [str(number) for number in classified.classes]
    assert classified.names is None
    assert client.classify_images(pixels[:0]).labels == []
    for batch in (0, -1):
        with pytest.raises(UsageError, match="expected 1 or more images in a request, got"):
            client.classify_images(pixels, batch=batch)


def test_a_model_of_a_fixed_batch_gets_full_ones(stub, client):
    pixels = images(6)
    classified = client.classify_images(pixels, signature="of_four")
    assert stub.batch_sizes == [4, 4]
    np.testing.assert_allclose(classified.probabilities, stub_server.probabilities(pixels))


def test_class_names_of_a_server(client):
    pixels = images(5)
    expected = stub_server.probabilities(pixels)
    classified = client.classify_images(pixels, signature="classify")
    assert classified.labels == [stub_server.NAMES[index] for index in expected.argmax(axis=1)]
    assert classified.classes is None
    rows = zip(expected, classified.names, classified.probabilities, strict=True)
    for row, names, values in rows:
        np.testing.assert_allclose(values, [row[stub_server.NAMES.index(name)] for name in names])


def test_says_what_the_server_refuses(stub, client):
    with pytest.raises(ServerError, match="Servable not found for request") as caught:
        client.predict({"images": images(1)}, model="cats")
    assert caught.value.code == "NOT_FOUND"
    assert caught.value.details == {"code": "NOT_FOUND"}
    assert str(caught.value) == (
        f"{stub.address}: model 'cats': Servable not found for request: Latest(cats); "
        "the server's --model_name or --model_config_file says what it serves"
    )
    with pytest.raises(ServerError, match="INVALID_ARGUMENT: input size does not match"):
        client.predict({"pictures": images(1)})
    assert stub.requests.count(("predict", "default", None, None)) == 1  # Not again.


def test_a_model_may_have_any_name(client):
    for name in ("certificate", "handshake", "HTTP/1", "Connection refused"):
        with pytest.raises(ServerError, match="Servable not found") as caught:
            client.status(model=name)
        assert caught.value.code == "NOT_FOUND"


@pytest.mark.parametrize(
    ("status", "code"), [(413, "RESOURCE_EXHAUSTED"), (499, "CANCELLED"), (418, "UNKNOWN")]
)
def test_http_statuses_of_proxies(stubs, status, code):
    stubs["http"].refusals = [status]
    error = pytest.raises(ServerError, match="no place in the queue")
    with Client(stubs["http"].address) as client, error as caught:
        client.status()
    assert caught.value.code == code


@pytest.mark.parametrize(
    "outputs",
    [
        {"classes": np.array([2**64 - 1], np.uint64)},  # More than the signature's int64 holds.
        {"words": np.array([b"x"], object)},
    ],
    ids=["too large", "another name"],
)
def test_rejects_an_answer_that_does_not_fit_the_signature(stubs, monkeypatch, outputs):
    answer = {"probabilities": np.zeros((1, 10)), **outputs}
    monkeypatch.setattr(stubs["http"], "predict", lambda name, inputs: answer)
    error = pytest.raises(UserError, match="it does not answer as TF Serving does")
    with Client(stubs["http"].address) as client, error:
        client.predict(images(1))


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ([1], {"signature": "none"}, r"has no signature 'none' \(there are: classify, echo,"),
        ([1], {"signature": "echo"}, r"takes \['numbers', 'words'\]: give them by name"),
        ({"images": "x"}, {}, "input 'images': invalid literal"),
        ({"images": [300]}, {}, "input 'images': Python integer 300 out of bounds"),
        ({"images": images(1)}, {"outputs": ["logits"]}, "logits"),
    ],
)
def test_says_what_cannot_be_asked(stub, client, inputs, options, message):
    with pytest.raises(UserError, match=f"^{stub.address}: .*{message}"):
        client.predict(inputs, **options)


def test_rejects_pixels_that_are_not_images(client):
    message = r"got uint8 \[28, 28\] for images uint8 \[None, 28, 28, 1\]"
    with pytest.raises(UserError, match=message):
        client.classify_images(images(1)[0, :, :, 0])


def test_needs_no_tensorflow(stubs, tmp_path):
    code = (
        "import sys, asyncio, numpy as np\n"
        "from digitline.serving.client import AsyncClient, Client\n"
        "pixels = np.zeros((2, 28, 28, 1), np.uint8)\n"
        "async def classify(address):\n"
        "    async with AsyncClient(address) as client:\n"
        "        return await client.classify_images(pixels, signature='classify')\n"
        "for address in sys.argv[1:]:\n"
        "    with Client(address) as client:\n"
        "        print(client.classify_images(pixels).labels, client.status()[1].state)\n"
        "    print(asyncio.run(classify(address)).labels)\n"
        "heavy = {'tensorflow', 'tensorflow_serving', 'keras', 'ai_edge_litert'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = python(code, *(stub.address for stub in stubs.values()), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("AVAILABLE") == 2

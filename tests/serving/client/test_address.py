import pytest

from digitline.base.errors import UsageError
from digitline.serving.client import Client
from digitline.serving.client.address import parse_address


def test_parses_addresses():
    for text, protocol, secure, netloc in (
        ("grpc://localhost", "grpc", False, "localhost:8500"),
        ("grpcs://a.example:9000", "grpc", True, "a.example:9000"),
        ("HTTP://10.0.0.1", "http", False, "10.0.0.1:8501"),
        ("https://models.example", "http", True, "models.example:443"),
        ("http://[::1]:8501/", "http", False, "[::1]:8501"),
    ):
        address = parse_address(text)
        assert (address.protocol, address.secure, address.netloc) == (protocol, secure, netloc)
    assert parse_address("http://h/models/a/").path == "/models/a"
    assert parse_address("unix:///tmp/a.sock").path == "/tmp/a.sock"
    assert parse_address("unix:a.sock").path == "a.sock"


@pytest.mark.parametrize(
    "text",
    ["localhost:8500", "", "ftp://a", "grpc://", "grpc://a:b", "grpc://a:99999", "grpc://a/b",
     "http://a?b", "unix://", "unix:"],
)  # fmt: skip
def test_rejects_what_is_not_an_address(text):
    with pytest.raises(UsageError, match=f"server '{text[:6]}"):
        Client(text)

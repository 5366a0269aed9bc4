import grpc
import pytest

from digitline.base.tf import tf
from digitline.serving.protocol import status


@pytest.mark.parametrize("code", grpc.StatusCode)
def test_each_grpc_code_has_an_http_status(code):
    assert 200 <= status.StatusError(code, "").http_status < 600


def test_an_error_keeps_the_code_that_tensorflow_gives_it():
    error = status.from_exception(tf.errors.OutOfRangeError(None, None, "too far\nat line 7"))
    assert (error.code, error.http_status) == (grpc.StatusCode.OUT_OF_RANGE, 400)
    assert error.message == "too far"
    assert status.from_exception(ValueError("x")).code is grpc.StatusCode.INTERNAL


def test_bytes_of_the_request_in_an_error_are_the_clients_mistake():
    try:
        b"cannot read: \xff\n\t [[{{node a}}]]".decode()
    except UnicodeDecodeError as raised:  # As TensorFlow's errors are converted.
        error = status.from_exception(raised)
    assert (error.code, error.message) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "cannot read: \ufffd",
    )

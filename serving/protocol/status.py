"""The outcome of a request that fails: a gRPC status code and TF Serving's words for it."""

import grpc

from ...base.errors import first_line

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class StatusError(Exception):
    """A request that cannot be answered.

    Attributes:
      code: of gRPC, whose names TF Serving's REST errors use too.
      message: as TF Serving words it where it has such an error.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def invalid(message: str) -> StatusError:
    """INVALID_ARGUMENT: the request is wrong whatever the models are."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def from_exception(error: Exception) -> StatusError:
    """The status of any exception: TensorFlow's own code, or INTERNAL with the first line."""
    if isinstance(error, StatusError):
        return error
    code = CODES.get(getattr(error, "error_code", -1), grpc.StatusCode.INTERNAL)
    return StatusError(code, first_line(error))

"""The outcome of a request that fails: a gRPC status code and TF Serving's words for it."""

import grpc

from ...base import addresses
from ...base.errors import first_line

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
# REST's status of each code, as TF Serving maps them.
HTTP_STATUS = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


class StatusError(Exception):
    """A request that cannot be answered.

    Attributes:
      code: of gRPC, whose names TF Serving's REST errors use too.
      message: as TF Serving words it where it has such an error.
      http_status: REST's, which follows from the code unless stated.
    """

    def __init__(self, code: grpc.StatusCode, message: str, http_status: int | None = None):
        self.message = addresses.shown(message)
        super().__init__(self.message)
        self.code = code
        self.http_status = HTTP_STATUS[code] if http_status is None else http_status

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    def without_frames(self) -> "StatusError":
        """The same, without the frames that it went through.

        Whoever keeps it would keep what they hold: bodies, tensors, and himself.
        """
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


def invalid(message: str) -> StatusError:
    """INVALID_ARGUMENT: the request is wrong whatever the models are."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def from_exception(error: Exception) -> StatusError:
    """The status of any exception: TensorFlow's own code, or INTERNAL with the first line."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, UnicodeDecodeError):
        # TensorFlow's words repeat bytes of the request, which Python cannot read as text.
        return invalid(first_line(Exception(error.object.decode("utf-8", "replace"))))
    code = CODES.get(getattr(error, "error_code", -1), grpc.StatusCode.INTERNAL)
    return StatusError(code, first_line(error))

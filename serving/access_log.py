"""What is noted of each request, by REST and gRPC alike, and the access log of it."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from absl import logging


@dataclasses.dataclass(slots=True)
class Http:
    """What only a REST request has.

    Attributes:
      method: GET, POST, …
      path: of the request.
      status: of the answer.
      response_bytes: of its body; None where that is not known.
    """

    method: str
    path: str
    status: int
    response_bytes: int | None


@dataclasses.dataclass(slots=True)
class Answered:
    """A request that was answered, or whose client left.

    Attributes:
      api: predict, classify, regress, multi_inference, status, metadata or reload; empty where
        an HTTP request asks for none of these.
      model: the name in the request; None where `api` is empty.
      code: name of its gRPC status.
      seconds: that it took.
      remote: the client's address.
      request_bytes: of its message or body; None where that is not known.
      http: None for a gRPC request.
    """

    api: str
    model: str | None
    code: str
    seconds: float
    remote: str | None
    request_bytes: int | None
    http: Http | None = None

    def to_line(self) -> str:
        """The request as a JSON line of the access log."""
        line = {
            "time": time.time(),
            "remote": self.remote,
            "method": self.api,
            "model": self.model,
            "code": self.code,
            "milliseconds": round(self.seconds * 1000, 3),
            "request_bytes": self.request_bytes,
        }
        if self.http:
            line |= dataclasses.asdict(self.http)
        return json.dumps(line)


# Called once for each request.
Observe = Callable[[Answered], None]


@contextlib.contextmanager
def access_log(where: str) -> Iterator[Observe | None]:
    """Opens the log and gives what writes to it.

    Args:
      where: a file, which is appended to; `-` for standard error; empty for no log.
    """
    if not where or where == "-":
        yield _writer(sys.stderr) if where else None
        return
    file = open(where, "a", encoding="utf-8", buffering=1)  # noqa: SIM115
    try:
        yield _writer(file)
    finally:
        with contextlib.suppress(OSError):  # What did not fit on the disk.
            file.close()


def _writer(file: TextIO) -> Observe:
    has_failed = False

    def write(request: Answered) -> None:
        nonlocal has_failed
        try:
            print(request.to_line(), file=file)
        except OSError as error:  # A full disk must not fail requests.
            if not has_failed:
                logging.error("The access log cannot be written: %s", error)
            has_failed = True

    return write

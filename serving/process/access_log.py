"""What is noted of each request, by REST and gRPC alike, and the access log of it."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from absl import logging


@dataclasses.dataclass(slots=True)
class Answered:
    """A request that was answered, or whose client left.

    Attributes:
      interface: GRPC or REST.
      api: predict, classify, regress, multi_inference, status, metadata or reload; empty where
        an HTTP request asks for none of these.
      model: the name in the request; None where `api` is empty.
      code: name of its gRPC status.
      seconds: that it took.
      details: gives what else the access log states; not called where there is none.
    """

    interface: str
    api: str
    model: str | None
    code: str
    seconds: float
    details: Callable[[], Mapping[str, str | int | None]]

    def to_line(self) -> str:
        """The request as a JSON line of the access log."""
        line = {
            "time": time.time(),
            "method": self.api,
            "model": self.model,
            "code": self.code,
            "milliseconds": round(self.seconds * 1000, 3),
        }
        return json.dumps({**line, **self.details()})


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

"""A connection between two workers, by lines."""

import contextlib
import socket
import time

# In seconds: between two lines, and when a connection is silent.
_LINE_S, _SILENT_S = 1.0, 25.0
_LONGEST = 1 << 16  # Of what is read at once, and of a line.


class Link:
    """A connection; what it does raises `OSError` if it has ended or is silent."""

    def __init__(self, connection: socket.socket):
        connection.setblocking(False)
        self._connection, self._rest = connection, b""
        self._heard, self._last_said = time.monotonic(), 0.0

    def say(self, line: str) -> None:
        """Sends a line."""
        self._connection.send(line.encode() + b"\n")

    def say_again(self, line: str) -> None:
        """Sends a line that is sent again and again, once a second."""
        if time.monotonic() - self._last_said >= _LINE_S:
            self._last_said = time.monotonic()
            self.say(line)

    def lines(self) -> list[str]:
        """Those that came since."""
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            received = self._connection.recv(_LONGEST)
            if not received or len(self._rest) > _LONGEST:
                raise ConnectionError
            self._heard, self._rest = now, self._rest + received
        if now - self._heard > _SILENT_S:
            raise TimeoutError
        *lines, self._rest = self._rest.split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def lines_or_end(self) -> list[str] | None:
        """The same; None if the connection has ended, and it is closed then."""
        try:
            return self.lines()
        except OSError:
            return self.close()

    def part(self, line: str) -> None:
        """Sends a last line, if there is anybody, and closes it."""
        with contextlib.suppress(OSError):
            self.say(line)
        self.close()

    def close(self) -> None:
        """Closes it."""
        self._connection.close()

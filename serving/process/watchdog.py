"""Ends a server that does not end by itself: a script, which runs as a process of its own.

What hangs in the server (a read from a dead disk, a library that holds the interpreter's lock)
does not hold this up. Standard input is a pipe from the server: a byte for each of its signals,
and the end of file when it has ended.

    python watchdog.py PROCESS SECONDS
"""

import os
import select
import signal
import sys
import time

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# After a second signal the server ends itself at once, if it can.
_AT_ONCE_S = 0.5


def watch(process: int, seconds: float) -> None:
    """Kills the process unless it ends within so many seconds of the first signal."""
    for number in _SIGNALS:  # Whoever stops all processes of a group means the server.
        signal.signal(number, signal.SIG_IGN)
    end = None
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        ready, _, _ = select.select([0], [], [], left)
        if not ready:
            break
        byte = os.read(0, 1)
        if not byte:
            return
        if byte[0] in _SIGNALS:
            end = time.monotonic() + (seconds if end is None else _AT_ONCE_S)
    print("not everything ended in time: the server is killed", file=sys.stderr, flush=True)
    os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]))

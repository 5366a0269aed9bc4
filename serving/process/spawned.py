"""Processes beside this one that run a module of ours."""

import signal
import sys


def python(module: str, *arguments: str) -> list[str]:
    """The command line of a process that calls `main` of a module.

    It finds modules where this process does, and nowhere else: not in the folder that it is in.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
    return [sys.executable, "-I", "-c", code, *arguments]


def how_ended(status: int) -> str:
    """How a process ended, by its return code: "by SIGSEGV" or "with status 1"."""
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:  # One of real time.
        return f"by signal {-status}"

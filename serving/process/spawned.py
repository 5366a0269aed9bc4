"""Processes beside this one that run a module of ours."""

import sys


def python(module: str, *arguments: str) -> list[str]:
    """The command line of a process that calls `main` of a module.

    It finds modules where this process does, and nowhere else: not in the folder that it is in.
    """
    code = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
    return [sys.executable, "-I", "-c", code, *arguments]

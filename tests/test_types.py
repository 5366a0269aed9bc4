"""The types are right, as pyright sees them; it runs here so that other tests run beside it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(
    Path(sys.prefix).name != ".venv", reason="types are those of the locked packages, in .venv"
)
def test_pyright_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "pyright"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stdout

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_SOURCE = (".*", "build", "dist", "datasets", "runs", "exports", "*.egg-info", "__pycache__")


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    expected = {ROOT / "__init__.py"}
    for folder in ("api", "base", "cli", "data", "export", "models", "serving"):
        expected |= {
            path
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    source = tmp_path / "source"
    # A copy, since building leaves a folder behind.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(tmp_path), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("digitline-*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {f"digitline/{path.relative_to(ROOT).as_posix()}" for path in expected}
    assert {"digitline/serving/boxed/model.tflite", "digitline/serving/page/web/index.html"} < names


def pinned(name):
    """The requirements in a file by package and marker: their versions."""
    found = re.findall(
        r"^([a-z0-9-]+)==(\S+)(?: ; ([^\n\\]+?))?(?: \\)?$", (ROOT / name).read_text(), re.M
    )
    return {(package, marker): version for package, version, marker in found}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_what_make_installs_is_locked_and_what_was_tested(name):
    text, locked = (ROOT / name).read_text(), pinned(name)
    assert len(locked) > 90
    for block in re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.M).strip()):
        assert re.fullmatch(r"\S+==[^\n]+( \\\n    --hash=sha256:[0-9a-f]{64})+", block), block
    tested = pinned("constraints.txt")
    assert {(package, version) for (package, _), version in locked.items()} <= {
        (package, version) for (package, _), version in tested.items()
    }
    assert "://" not in text


def test_every_dependency_is_locked_and_has_an_oldest_version():
    stated = re.search(r"install_requires=\[(.*?)\n    \],", (ROOT / "setup.py").read_text(), re.S)
    oldest = {
        package: version for (package, _), version in pinned("constraints-oldest.txt").items()
    }
    locked = {package for package, _ in pinned("requirements.txt")}
    for package, bound in re.findall(r'"([\w-]+)>=([\d.]+)', stated[1]):
        name = package.replace("_", "-")
        assert name in locked
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", oldest[name]), name

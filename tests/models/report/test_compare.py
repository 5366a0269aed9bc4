import shutil
from pathlib import Path

import pytest

from digitline.base import command as commands
from digitline.base.errors import UsageError, UserError
from digitline.models.report import command as report

from support import edit


@pytest.fixture(scope="module")
def runs(trained, well_trained, tmp_path_factory):
    """A short run, a long one, and one that goes on."""
    folder = tmp_path_factory.mktemp("compared")
    targets = [folder / name for name in ("short", "long", "going")]
    for source, target in zip((trained, well_trained, trained), targets, strict=True):
        shutil.copytree(source.workdir, target)
    (targets[2] / "model.keras").unlink()
    return targets


def compared(*arguments):
    """The result as JSON, and as text."""
    comparison = commands.call(report.COMMAND, [str(argument) for argument in arguments])
    return comparison.to_json(), comparison.text()


def test_runs_are_sorted_by_accuracy(runs):
    short, long, going = runs
    result, text = compared(f"--compare={going},{short}", long)  # Commas and spaces.
    assert [run["name"] for run in result["runs"]] == ["long", "short", "going"]
    accuracies = [run["accuracy"] for run in result["runs"]]
    assert accuracies[0] > accuracies[1]
    assert accuracies[2] is None
    assert result["report"] == str(going.parent / "compare.html")
    html = Path(result["report"]).read_text(encoding="utf-8")
    assert html.index("<td>long</td>") < html.index("<td>short</td>") < html.index("<td>going</td>")
    assert "are not finished" in html
    assert "http:" not in html
    assert str(going.parent) not in html
    lines = [line.split()[0] for line in text.splitlines() if line]
    assert lines.index("long") < lines.index("short") < lines.index("going")


def test_shows_only_what_differs(runs, tmp_path):
    short, long, _ = runs
    result, _ = compared("--compare", short, long, f"--output={tmp_path / 'page.html'}")
    assert result["differences"] == {"recipe.epochs": {"long": "15.0", "short": "3.0"}}
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "recipe.epochs" in html
    assert "recipe.learning_rate" not in html
    same, text = compared("--compare", short, shutil.copytree(short, tmp_path / "again"))
    assert same["differences"] == {}
    assert "the recipes are the same" in text


def test_marks_runs_of_other_images(runs, tmp_path):
    short, long, _ = runs
    other = shutil.copytree(long, tmp_path / "other")
    edit(other / "config.json", lambda it: it["dataset"].update(fingerprint="another"))
    edit(
        other / "training.json",
        lambda it: it["made"]["config"]["dataset"].update(fingerprint="another"),
    )
    assert "not of the same images" in compared("--compare", short, other)[1]


def test_rejects_what_cannot_be_compared(runs, tmp_path):
    short, long, _ = runs
    with pytest.raises(UsageError, match="give two runs or more"):
        compared(f"--compare={short}")
    with pytest.raises(UserError, match="has no figures of train: run digitline evaluate"):
        compared("--compare", short, long, "--split=train")
    with pytest.raises(UserError, match="holds no run"):
        compared("--compare", short, tmp_path)
    with pytest.raises(UsageError, match="--workdir and --compare"):
        compared(f"--workdir={short}", "--compare", short, long)
    with pytest.raises(UsageError, match="run folders go with --compare"):
        compared(f"--workdir={short}", long)

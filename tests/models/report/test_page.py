"""The report of a run, as the people who read it notice it."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from digitline.base import command as commands
from digitline.base.errors import UsageError, UserError
from digitline.base.storage import records
from digitline.data.dataset import Dataset
from digitline.models import train
from digitline.models.report import command as report
from digitline.models.report import run_figures

from support import DATASET, call, edit, train_arguments, unsealed_dataset

CURVES = {"loss", "accuracy", "learning_rate", "images_per_s"}
NASTY = ["<script>alert(1)</script>", "a & \"b\" 'c'", "x" * 200, "日本語", "]]>", "1{2}%s"]


def reported(workdir, *more):
    result = commands.call(report.COMMAND, [f"--workdir={workdir}", *more])
    html = result.page.read_text(encoding="utf-8")
    return SimpleNamespace(**result.to_json(), html=html, text=result.text())


def drawn(result, suffix):
    return {Path(path).stem for path in result.figures if path.endswith(suffix)}


def tiles(html):
    """(true, predicted, per cent, place) of each misclassified image."""
    mistakes = re.search(r'id="mistakes".*?</div>', html, re.DOTALL)
    pattern = r"<b>(.+?)</b> taken for <b>(.+?)</b><br>(.+?)\s%<br>#(\d+)"
    return re.findall(pattern, mistakes[0]) if mistakes else []


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the trained run."""
    return shutil.copytree(trained.workdir, tmp_path / "run")


@pytest.fixture(scope="module")
def seen(trained, tmp_path_factory):
    """The report of a copy of the trained run, and the splits that it read."""
    workdir = shutil.copytree(trained.workdir, tmp_path_factory.mktemp("reported") / "run")
    read = []
    with pytest.MonkeyPatch.context() as patch:
        split = Dataset.split
        patch.setattr(Dataset, "split", lambda self, name: read.append(name) or split(self, name))
        return reported(workdir), read


def test_a_training_writes_its_report(trained):
    page = trained.workdir / "report.html"
    assert "accuracy on train[:10% by class]" in page.read_text(encoding="utf-8")
    for name in (*CURVES, "confusion", "calibration", "mistakes", "kernels-2", "activations-3"):
        with Image.open(trained.workdir / "figures" / f"{name}.png") as picture:
            assert picture.width > 300
        ElementTree.parse(trained.workdir / "figures" / f"{name}.svg")


def test_a_training_does_not_fail_for_its_report(data_dir, tmp_path, monkeypatch, capsys):
    def fails(facts):
        raise RuntimeError("no ink\nat all")

    monkeypatch.setattr(run_figures, "of_run", fails)
    flags = train_arguments(
        data_dir, tmp_path / "run", "--max_steps=2", "--model=softmax", "--report"
    )
    call(train.COMMAND, flags)
    assert "note: there is no report, RuntimeError: no ink" in capsys.readouterr().err
    assert (tmp_path / "run" / "model.keras").exists()
    assert not (tmp_path / "run" / "report.html").exists()
    call(train.COMMAND, [*flags, "--noreport", "--overwrite"])
    assert "report" not in capsys.readouterr().err
    monkeypatch.undo()
    # A network without convolutions: the weights of each class are shown instead.
    result = reported(tmp_path / "run")
    assert "Weights of the first layer" in result.html
    assert "kernels-2" not in drawn(result, ".png")


def test_requests_nothing_from_any_network(seen):
    result, _ = seen
    bare = re.sub(r"data:image/png;base64,[\w+/=]+", "", result.html)
    assert not re.search(r"https?:|@import|url\((?![#)])|fetch", bare)
    links = re.findall(r'(?:src|href)="([^"]*)"', result.html)
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)


def test_the_test_split_is_read_only_when_asked_for(seen, copied):
    result, read = seen
    assert result.split == "train[:10% by class]"
    assert result.examples == 119
    assert set(read) == {"train[10%: by class]", "train[:10% by class]"}
    result = reported(copied, "--split=test")
    assert result.examples == 300
    assert "300 images of test" in result.html


def test_all_misclassified_are_listed_the_surest_first(seen):
    result, _ = seen
    listed = tiles(result.html)
    assert len(listed) == len(result.misclassified) == result.examples - result.correct > 0
    shares = [float(share) for _, _, share, _ in listed]
    assert shares == sorted(shares, reverse=True)
    for mistake, (true, taken, _, index) in zip(result.misclassified, listed, strict=True):
        assert (mistake["index"], str(mistake["label"]), str(mistake["predicted"])) == (
            int(index), true, taken
        )  # fmt: skip
    assert result.html.count('class="picture"') == len(listed) + 40  # And the samples.


def test_the_terminal_gets_curves_and_the_matrix(seen):
    result, _ = seen
    lines = result.text.splitlines()
    for name in ("training loss", "validation loss", "training accuracy", "validation accuracy"):
        assert any(re.match(f"{name} +\\S+ [▁-█]{{40}} \\S+$", line) for line in lines)
    start = lines.index("true class by row, predicted by column:")
    rows = [line.replace("·", "0").split() for line in lines[start + 2 : start + 12]]
    assert [[int(cell) for cell in row[1:]] for row in rows] == result.confusion
    assert result.text.endswith(f"report  {result.report}")


def test_every_section_is_there(seen):
    result, _ = seen
    names = re.findall(r'<section id="(\w+)">', result.html)
    assert names == ["data", "training", "result", "inside", "provenance"]
    config = json.loads((Path(result.workdir) / "config.json").read_text())
    assert config["dataset"]["fingerprint"] in result.html
    assert config["packages"]["tensorflow"] in result.html
    assert config["data_dir"] not in result.html  # Reports are passed on.
    assert "61,706" in result.html
    assert "AveragePooling2D" in result.html


def test_class_names_of_any_kind(copied, data_dir, tmp_path):
    datasets = unsealed_dataset(shutil.copytree(data_dir, tmp_path / "datasets"))
    names = [*NASTY, "6", "7", "8", "9"]
    (labels,) = datasets.glob(f"{DATASET}/*/label.labels.txt")
    labels.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    edit(copied / "config.json", lambda it: it["dataset"].update(label_names=names))
    edit(
        copied / "training.json",
        lambda it: it["made"]["config"]["dataset"].update(label_names=names),
    )
    result = reported(copied, f"--data_dir={datasets}")
    assert result.html.count("<script>") == 1  # Our own.
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in result.html
    assert NASTY[2] in result.html
    assert "日本語" in result.html
    for path in result.figures:
        if path.endswith(".svg"):
            ElementTree.parse(path)
    assert max(map(len, result.text.splitlines()[:-2])) <= 120


def test_an_unfinished_run_has_its_curves(copied):
    for name in ("model.keras", "training.json", "evaluation.json"):
        (copied / name).unlink()
    with open(copied / "metrics.jsonl", "a") as file:
        file.write('{"step": 77, "epo')  # The kill came here.
    (copied / "figures" / "mine.png").touch()
    result = reported(copied)
    assert not result.finished
    assert drawn(result, ".svg") == drawn(result, ".png") == CURVES
    assert {path.stem for path in (copied / "figures").iterdir()} == CURVES | {"mine"}
    assert "not finished" in result.html
    assert "not finished" in result.text
    assert 'id="result"' not in result.html
    with pytest.raises(UserError, match="is not finished"):
        reported(copied, "--split=test")
    (copied / "metrics.jsonl").unlink()
    assert "No step is logged yet" in reported(copied).html


def test_only_exports_of_the_run_are_listed(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(run_figures, "of_run", lambda facts: {})  # They take their time.
    config = records.read_object(copied / "config.json", of=None)
    for version, of in ((1, config), (2, {**config, "seed": 1})):
        folder = tmp_path / "exports" / "tflite" / "digits" / str(version)
        folder.mkdir(parents=True)
        figures = {"accuracy": 0.9876, "agreement": 0.9999, "signature": "serving_default"}
        manifest = {
            "model_name": "digits",
            "version": version,
            "run": of,
            "artifacts": [{"title": "TFLite int8", "path": "model_int8.tflite"}],
            "files": {"model_int8.tflite": {"bytes": 123_456}},
            "verified_on": {
                "split": "test", "comparisons": [{"artifact": "TFLite int8", **figures}]
            },
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps(manifest))
    timed = {"model_name": "digits", "version": 1, "rows": [{"name": "TFLite int8", "p50_us": 41}]}
    (tmp_path / "timed.json").write_text(json.dumps(timed))
    exports = f"--export_dir={tmp_path / 'exports'}"
    result = reported(copied, exports, f"--benchmark={tmp_path / 'timed.json'}")
    assert [(row["version"], row["bytes"]) for row in result.artifacts] == [(1, 123_456)]
    row = re.search(r"<tr><td>digits 1</td>.*", result.html)
    assert row
    assert "98.76" in row[0]
    assert "41 µs" in row[0]
    assert "µs" not in reported(copied, exports).html
    with pytest.raises(UsageError, match="is not a folder"):
        reported(copied, "--export_dir=nowhere")
    with pytest.raises(UsageError, match="goes with --export_dir"):
        reported(copied, "--benchmark=timed.json")


def test_what_was_measured_on_corrupted_images_is_shown(well_trained, tmp_path, monkeypatch):
    for others in ("curves", "_data", "_result", "_network"):  # They take their time.
        monkeypatch.setattr(run_figures, others, lambda *_: {})
    result = reported(shutil.copytree(well_trained.workdir, tmp_path / "run"))
    assert drawn(result, ".png") == {"corruptions-1"}
    assert result.robustness == {"test[:30]": well_trained.result["corruptions"]}
    mean = f"{well_trained.result['corruptions']['accuracy']:.2%}"
    assert f"accuracy on corrupted images of test[:30] {mean}" in result.text
    section = re.search(r'<section id="robustness">.*?</section>', result.html, re.DOTALL)
    assert section
    assert section[0].count("<tr>") == 17  # The head, 15 corruptions and the means.
    row = well_trained.result["corruptions"]["by_corruption"][4]
    cells = "".join(f"<td>{share:.2%}</td>" for share in row["accuracies"])
    assert f"<td>{row['name']}</td>{cells}" in section[0]
    assert section[0].count(mean) == 1


def test_in_a_browser(seen):
    """The script runs under the page's own policy; a phone needs no sideways scrolling."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs: pip install playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium: apt install chromium")
    result, _ = seen
    wrong = len(result.misclassified)
    html = result.html.replace('data-paged="48"', 'data-paged="2"')
    said = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme="dark")
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.set_content(html)
        shown = page.locator("#mistakes > :visible")
        assert shown.count() == 2
        assert f"1 to 2 of {wrong}" in page.locator(".pager").inner_text()
        assert page.get_by_role("button", name="Previous").is_disabled()
        first = shown.first.inner_text()
        page.get_by_role("button", name="Next").click()
        assert f"3 to 4 of {wrong}" in page.locator(".pager").inner_text()
        assert shown.first.inner_text() != first
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert dark == "rgb(18, 24, 30)"
        browser.close()
    assert not said

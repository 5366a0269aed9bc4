"""Manifests and model cards that say something else than what was found."""

import dataclasses
import json
import re
import shutil

import pytest

from digitline.base.errors import VerificationError
from digitline.base.manifests import File
from digitline.export import stages
from digitline.export.formats import table
from digitline.export.gate.claims import card
from digitline.export.gate.messages import Check, CheckDescription, CheckSources
from digitline.export.options import ExportOptions
from digitline.export.publication.manifest import Version
from digitline.export.runtimes.ran import Ran

from .lite_files import with_inside

VERSION = 3
RUNS = (
    Ran("LiteRT 2.3", "TFLite float32", None, 210, 1.0, 1.2e-7),
    Ran("LiteRT 2.3", "TFLite int8", None, 210, 0.99, 0.04),
    Ran("Another 1", "TFLite float32", "no such operator", 210),
)


@pytest.fixture(scope="session")
def described(benches, tmp_path_factory):
    """The digits' TFLite files with manifest and card, and the service that checked them."""
    bench, folder = benches("digits"), tmp_path_factory.mktemp("described")
    shutil.copytree(bench.folder / "tflite", folder / "tflite")
    service = bench.service
    comparisons = service.start(Check("tflite", folder / "tflite"))().comparisons
    service.start(CheckSources(folder, ("tflite",)))()
    shutil.copy(bench.folder / "answers.npz", folder)
    answers = stages.read_answers(folder, bench.source)
    service._ran = RUNS
    version = Version(bench.source, answers, VERSION, comparisons, RUNS, None)
    formats = [each for each in table.formats(bench.options, None) if each.name == "tflite"]
    stages._describe(version, formats, folder)
    return service, folder


def check(described, folder):
    service, _ = described
    place = service.source.config.model, str(VERSION)
    target = ExportOptions().export_dir.joinpath("tflite", *place)
    service.start(CheckDescription(folder, ("tflite",), VERSION, (target,)))()


@pytest.mark.long
def test_what_is_so_is_not_refused(described):
    check(described, described[1])


# From where an entry is to what it says wrongly; None: it is not there.
ENTRIES = {
    "format": 2,
    "version": 4,
    "model_name": "other",
    "created": "2020-01-01T00:00:00+00:00",
    "labels.3": "5",
    "labels.9": None,
    "pictures.fit": "stretch",
    "pictures.digits": False,
    "figures.accuracy": 0.99,
    "figures.loss": 0.1,
    "figures.calibration_error": 0.0001,
    "figures.examples": 10000,
    "figures.accuracy_interval_95.0": 0.1,
    "figures.by_class.3.images": 1000,
    "figures.by_class.3.precision": 0.123,
    "figures.by_class.4.recall": 0.123,
    "figures.by_class.5.f1": 0.123,
    "certainty.threshold": 0.99,
    "certainty.split": "test",
    "certainty.images": 5000,
    "certainty.coverage": 0.123,
    "certainty.accuracy": 0.999,
    "robustness": {},
    "verified_on.split": "test",
    "verified_on.source_files": {},
    "verified_on.comparisons.0.agreement": 0.5,
    "verified_on.comparisons.1.max_difference": 0.0,
    "verified_on.comparisons.2.agrees": False,
    "verified_on.comparisons.3": None,
    "verified_on.runtimes.0": None,
    "verified_on.runtimes.0.agreement": 0.5,
    "verified_on.runtimes.0.max_difference": 0.0,
    "verified_on.runtimes.0.runtime": "OpenVINO 2026",
    "verified_on.runtimes.1.images": 10000,
    "verified_on.runtimes.1.refusal": "no such operator",
    "verified_on.runtimes.2.refusal": "",
    "verified_on.runtimes.2.artifact": "TFLite int8",
    "made.split": "train",
    "made.dark_on_light": True,
    "made.calibration.images": 10,
    "made.calibration.of": "test",
    "run.seed": 17,
    "run.recipe.epochs": 100.0,
    "run.dataset.fingerprint": "0000",
    "run.packages.tensorflow": "1.15.0",
    "artifacts.0.path": "model.h5",
    "artifacts.1": None,
    "artifacts.2.signatures.serving_default.inputs.images.dtype": "float32",
    "artifacts.3.signatures.serving_default.outputs.probabilities.shape": [1, 1000],
    "files.model:tflite.sha256": "0" * 64,
    "files.model:tflite.bytes": 1,
    "files.labels:txt": None,
    "files.more:txt": {"bytes": 0, "sha256": ""},
    "more": 1,
    "figures": None,
}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(name, marks=() if name.endswith(("recall", "sha256")) else pytest.mark.long)
        for name in ENTRIES
    ],
)
def test_refuses_a_manifest_that_says_something_else(entry, described, tmp_path):
    shutil.copytree(described[1], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "tflite/manifest.json"
    content = json.loads(path.read_text())
    *names, last = (
        int(name) if name.isdecimal() else name.replace(":", ".") for name in entry.split(".")
    )
    there = content
    for name in names:
        there = there[name]
    if ENTRIES[entry] is None:
        del there[last]
    else:
        there[last] = ENTRIES[entry]
    path.write_text(json.dumps(content))
    known = re.escape(entry.partition(".")[0])
    with pytest.raises(
        VerificationError,
        match=rf"^manifest\.json: its ({known}\S*|entries) is .*, found was .*; nothing was publ",
    ):
        check(described, tmp_path)


@pytest.mark.parametrize("words", ['{"threshold": 0.01}', None])
def test_refuses_a_file_that_is_sure_of_something_else_inside(words, described, tmp_path):
    shutil.copytree(described[1], tmp_path, dirs_exist_ok=True)
    path, manifest = tmp_path / "tflite/model.tflite", tmp_path / "tflite/manifest.json"
    path.write_bytes(with_inside(path.read_bytes(), "certainty.json", words))
    content = json.loads(manifest.read_text())
    content["files"][path.name] = dataclasses.asdict(File.of(path))
    manifest.write_text(json.dumps(content))
    with pytest.raises(
        VerificationError, match=r"^manifest\.json: its certainty inside model\.tfl"
    ):
        check(described, tmp_path)


# What is replaced in the card, by what.
SENTENCES = {
    "version 3": "version 2",
    r"Made on \d+": "Made on 1999",
    r"\(0, 1, 2, 3,": "(0, 1, 3, 2,",
    r"accuracy \d": "accuracy 9",
    r"interval \d\d": "interval 01",
    r"loss \d": "loss 9",
    r"calibration error \d+": "calibration error 77",
    r"On 60 images": "On 10,000 images",
    r"of `test\[:60\]`": "of `test`",
    r"\| 3 \| \d+": "| 3 | 1000",
    r"\| 4 \| (\d+) \| [\d.]+%": r"| 4 | \1 | 12.34%",
    r"[\d.]+% \|\n\| 6": "12.34% |\n| 6",
    r"On images of `test\[:12\]`": "On images of `test`",
    r"mean accuracy [\d.]+%": "mean accuracy 12.34%",
    r"\| fog \| [\d.]+%": "| fog | 12.34%",
    r"\| scale .*\n": "",
    r"`serving_default` \| [\d.]+%": "`serving_default` | 12.34%",
    r"[\d.]+e-\d+ \|\n": "9.9e-09 |\n",
    r"`model\.tflite` \| [\d,]+": "`model.tflite` | 1",
    r"\| `labels\.txt` .*\n": "",
    r"\n\| `labels\.txt`": "\n| `more.txt` | 1 |\n| `labels.txt`",
    r"from \d+ images of": "from 3 images of",
    r"LiteRT 2\.3 \| agrees": "LiteRT 2.3 | refuses",
    r"Another 1 \| refuses": "Another 1 | agrees",
    r"- Another 1 refuses TFLite float32: no such operator\n": "",
    r"\| Another 1 .*\n": "",
    "Send pixels as they are": "Send pixels from 0 to 1",
    r"in: `images` uint8": "in: `images` float32",
    r"## Limits": "On 10,000 images it is right for 99.99%.\n\n## Limits",
    r"fingerprint `\w": "fingerprint `x",
    r"validated on `": "validated on `test",
    r"Seed \d": "Seed 7",
    r"below 0\.\d": "below 0.0",
    r"images [\d.]+% are": "images 12.34% are",
    r"and [\d.]+% of these": "and 12.34% of these",
    r"(?s).*": "",
}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(pattern, marks=() if "Seed" in pattern else pytest.mark.long)
        for pattern in SENTENCES
    ],
)
def test_refuses_a_card_that_says_something_else(pattern, described, tmp_path):
    shutil.copytree(described[1], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "tflite/MODEL_CARD.md"
    text = path.read_text()
    changed = re.sub(pattern, SENTENCES[pattern], text, count=1)
    assert changed != text
    path.write_text(changed)
    manifest = tmp_path / "tflite/manifest.json"
    content = json.loads(manifest.read_text())
    content["files"][path.name] = dataclasses.asdict(File.of(path))
    manifest.write_text(json.dumps(content))
    with pytest.raises(
        VerificationError,
        match=r"^MODEL_CARD\.md: (lacks '.*', as it follows|says .* does not|its tables have \d+)",
    ):
        check(described, tmp_path)


def test_refuses_a_card_without_the_source_of_pretrained_weights(described, tmp_path):
    for name in ("MODEL_CARD.md", "manifest.json"):
        shutil.copy(described[1] / "tflite" / name, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["run"]["model"] = "efficientnet_lite0"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(VerificationError, match="lacks 'Its training began with ImageNet weights"):
        card.require(tmp_path)

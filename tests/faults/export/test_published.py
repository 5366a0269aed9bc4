"""What changes while an export is made, between one look at it and the next."""

import collections
import contextlib
import io
import json
import shutil

import numpy as np
import pytest
from faults.export.planting import flipped

from digitline.base.errors import UserError
from digitline.base.tf import keras
from digitline.export import stages
from digitline.export.gate.messages import (
    Begin,
    Check,
    CheckDescription,
    CheckSources,
    Ready,
)
from digitline.export.gate.service import Service
from digitline.export.options import ExportOptions


class Changing:
    """Verifies in this process; changes something before or after one of its answers.

    Args:
      changes: what is done, with the staging folder; by when: `before` or `after`, and the kind of
        question.
    """

    def __init__(self, changes):
        self.changes, self.answers, self.service = changes, collections.deque(), None

    def send(self, question):
        folder = getattr(question, "folder", None)
        staged = question.answers.parent if isinstance(question, Begin) else folder
        staged = folder.parent if isinstance(question, Check) else staged
        self.changes.get(("before", type(question)), str)(staged)
        try:
            if isinstance(question, Begin):
                with contextlib.redirect_stderr(io.StringIO()):
                    self.service, answer = Service(question), Ready()
            elif self.service is None:  # Its beginning failed: that answer is read first.
                return
            else:
                answer = self.service.start(question)()
        except UserError as error:
            answer = error
        self.answers.append(answer)
        self.changes.get(("after", type(question)), str)(staged)

    def receive(self, kind):
        answer = self.answers.popleft()
        if isinstance(answer, UserError):
            raise answer
        return answer


@pytest.fixture
def options(benches, data_dir, tmp_path):
    """An export of the digits' run, of files that may be changed."""
    shutil.copytree(benches("digits").options.workdir, tmp_path / "run")
    shutil.copytree(data_dir, tmp_path / "data")
    return ExportOptions(
        workdir=tmp_path / "run", data_dir=tmp_path / "data", export_dir=tmp_path / "exports",
        split="test[:60]", formats=("tflite",), tflite_variants=("float32",), runtimes=("none",),
    )  # fmt: skip


def replaced(name, content=b"other"):
    return lambda staged: (staged / name).write_bytes(content)


def gone(name):
    return lambda staged: (staged / name).unlink()


def turned(staged):
    """Some weights of the model are others; the second time, back again."""
    path = staged / "tflite/model.tflite"
    path.write_bytes(flipped(path.read_bytes()))


def another_config(staged):
    path = staged.parents[1] / "run/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "seed": 99}))


def another_model(staged):
    path = staged.parents[1] / "run/model.keras"
    model = keras.models.load_model(path, compile=False)
    model.set_weights([value * np.float32(1.05) for value in model.get_weights()])
    model.save(path)


def another_normalization(staged):
    path = staged.parents[1] / "run/config.json"
    config = json.loads(path.read_text())
    config["preprocess"]["mean"] = 0.2
    path.write_text(json.dumps(config))


def other_labels(staged):
    (path,) = (staged.parents[1] / "data").glob("*/*/label.labels.txt")
    path.write_text(path.read_text().replace("8", "eight"))


def a_damaged_shard(staged):
    path = min((staged.parents[1] / "data").glob("*/*/*-test.tfrecord-00000-*"))
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes([content[200] ^ 0xFF]) + content[201:])


def an_exchanged_shard(staged):
    first, second, *_ = sorted((staged.parents[1] / "data").glob("*/*/*-test.tfrecord-*"))
    first.write_bytes(second.read_bytes())


def another_answer(staged):
    with np.load(staged / "answers.npz") as arrays:
        answers = dict(arrays)
    answers["compared"] = np.roll(answers["compared"], 1, axis=1)
    np.savez(staged / "answers.npz", **answers)


CHANGED = r"^tflite: {} has changed since it was verified \(sha256 \w{{8}} then, \w{{8}} now\)"
CASES = {
    "the model": (("after", Check), turned,
                  CHANGED.format(r"model\.tflite")),
    "labels": (("after", Check), replaced("tflite/labels.txt"), CHANGED.format(r"labels\.txt")),
    "pictures": (("after", CheckSources), replaced("tflite/pictures.json"),
                 CHANGED.format(r"pictures\.json")),
    "a file goes": (("after", Check), gone("tflite/labels.txt"),
                    r"^tflite: labels\.txt is gone since it was verified"),
    "a file comes": (("after", Check), replaced("tflite/more.txt"),
                     r"^tflite: more\.txt has come since it was verified"),
    "a file comes late": (("after", CheckDescription), replaced("tflite/more.txt"),
                          r"^tflite: more\.txt has come since it was verified"),
    "the model, late": (("after", CheckDescription), replaced("tflite/model.tflite"),
                        CHANGED.format(r"model\.tflite")),
    "the manifest": (("after", CheckDescription), replaced("tflite/manifest.json", b"{}"),
                     CHANGED.format(r"manifest\.json")),
    "the card": (("after", CheckDescription), replaced("tflite/MODEL_CARD.md"),
                 CHANGED.format(r"MODEL_CARD\.md")),
    "the manifest, before": (("before", CheckDescription), replaced("tflite/MODEL_CARD.md"),
                             r"^manifest\.json: its files\S* is|^MODEL_CARD\.md: lacks"),
    "the model's answers": (("after", Begin), another_answer,
                            r"^manifest\.json: its figures\S* is .*, found was"),
    "the run's configuration": (("before", Begin), another_config,
                                r"config\.json: seed is 99; it was \d+ when model\.keras "),
    "the run's model": (("before", Begin), another_model,
                        r"model\.keras: not the model that this run has trained \(sha256 "),
    "the normalization": (("before", Begin), another_normalization,
                          r"config\.json: preprocess\.mean\S* is 0\.2; it was 0\.1307 when"),
    "the dataset's labels": (("before", Begin), other_labels, r"not fit the run: class 8 is eight"),
    "a damaged shard": (("before", Begin), a_damaged_shard, r"test\.tfrecord-00000-of-00003"),
    "an exchanged shard": (("before", Begin), an_exchanged_shard,
                           r"00000-of-00003: not what the run was"),
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == "the card" else pytest.mark.long) for name in CASES],
)
def test_refuses_what_changes_meanwhile(name, options):
    when, change, message = CASES[name]
    with pytest.raises(UserError, match=message):
        stages.export(options, Changing({when: change}))
    assert not list(options.export_dir.glob("*/*/*"))


def test_refuses_what_is_another_file_for_the_check_alone(options, monkeypatch):
    """Who writes leaves a damaged file; the gate sees a sound one; then it is damaged again."""

    write = stages._write

    def write_damaged(export_format, options, source, folder):
        write(export_format, options, source, folder)
        turned(folder.parent)

    monkeypatch.setattr(stages, "_write", write_damaged)
    verifier = Changing({("before", Check): turned, ("after", Check): turned})
    with pytest.raises(UserError, match=CHANGED.format(r"model\.tflite")):
        stages.export(options, verifier)
    assert not list(options.export_dir.glob("*/*/*"))


@pytest.mark.parametrize("parts", ["tflite/softmax/7", "tflite/other/1", "saved_model/softmax/1"])
def test_refuses_another_place(parts, options, monkeypatch):
    place = options.export_dir / parts
    monkeypatch.setattr(stages.publish, "targets", lambda *_: {"tflite": place})
    with pytest.raises(
        UserError, match=rf"^tflite: it is to be published as .*{parts}, expected .*/softmax/1;"
    ):
        stages.export(options, Changing({}))
    assert not list(options.export_dir.glob("*/*/*"))

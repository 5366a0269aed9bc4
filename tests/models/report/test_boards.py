"""What TensorBoard shows of a run, read back by TensorBoard itself."""

import dataclasses
import io
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from digitline.base.errors import UsageError, UserError
from digitline.base.tf import keras
from digitline.data.pipeline.records import load
from digitline.models import registry, train
from digitline.models.evaluation.metrics import of_probabilities
from digitline.models.report import boards, figures, projector, run_figures
from digitline.models.report import command as report
from digitline.models.report.facts import Result, of_run, splits, with_result
from digitline.models.report.write import after_training
from digitline.models.run.folder import Run

from support import call, train_arguments

pytest.importorskip("tensorboard", reason="needs: pip install '.[tensorboard]'")
SPLIT = "train[:10% by class]"


@pytest.fixture(scope="module")
def facts(trained, dataset):
    """The facts of the trained run on its validation split."""
    return evaluated(trained.workdir, dataset, SPLIT)


def evaluated(workdir, dataset, split):
    config, model = Run(workdir).load()
    return with_result(of_run(Run(workdir)), model, *splits(config, dataset, split))


def shown(facts, dataset, folder):
    """What lies in the folder for TensorBoard, written there as for a run of this folder."""
    moved = dataclasses.replace(facts, run=Run(folder))
    return read(boards.write(moved, dataset.split(facts.result.split)))


def read(folder):
    from google.protobuf import text_format
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.projector import ProjectorConfig
    from tensorboard.util import tensor_util

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    pictures, told, steps = {}, {}, set()
    for tag in events.Tags()["tensors"]:
        metadata = events.SummaryMetadata(tag)
        if metadata.plugin_data.plugin_name == "images":
            (event,) = events.Tensors(tag)
            width, height, *content = tensor_util.make_ndarray(event.tensor_proto)
            with Image.open(io.BytesIO(content[0])) as picture:
                assert picture.size == (int(width), int(height))
                pictures[tag] = np.asarray(picture.convert("L"))
            told[tag] = metadata.summary_description
            steps.add(event.step)
    text = (folder / "projector_config.pbtxt").read_text()
    (info,) = text_format.Parse(text, ProjectorConfig()).embeddings
    lines = (folder / info.metadata_path).read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    head, *rows = (line.split("\t") for line in lines)
    assert {len(row) for row in rows} == {len(head)}
    with Image.open(folder / info.sprite.image_path) as picture:
        sprites = np.asarray(picture)
    return SimpleNamespace(
        folder=folder,
        pictures=pictures,
        told=told,
        steps=steps,
        info=info,
        vectors=np.fromfile(folder / info.tensor_path, "<f4").reshape(info.tensor_shape),
        rows=[dict(zip(head, row, strict=True)) for row in rows],
        sprites=sprites,
    )


def contents(folder):
    """What must be the same each time, by name; events also say when they were written."""
    return {path.name: path.read_bytes() for path in (folder / "projector").iterdir()}


@pytest.fixture(scope="module")
def board(facts, dataset, tmp_path_factory):
    """What is written of the trained run. Do not change it."""
    return shown(facts, dataset, tmp_path_factory.mktemp("boards"))


@pytest.fixture(scope="module")
def images(dataset):
    """The split's images uint8 [119, 28, 28]."""
    return load(dataset.split(SPLIT))[0].numpy()[..., 0]


def test_the_confusion_matrix_is_a_picture(facts, board):
    names = [str(digit) for digit in range(10)]
    for tag, title in (("rates", "per cent of each true class"), ("counts", "images by class")):
        drawn = figures.confusion(
            f"{SPLIT}: {title}", names, facts.result.evaluation.confusion, rates=tag == "rates"
        )
        with Image.open(io.BytesIO(drawn.png())) as expected:
            same = np.asarray(expected.convert("L")) == board.pictures[f"confusion/{tag}"]
        assert same.all()
    assert board.steps == {facts.record.steps}


def test_all_mistakes_are_pictures_the_worst_first(facts, board, images):
    wrong = facts.result.mistakes
    sheets = [tag for tag in board.pictures if tag.startswith("mistakes/")]
    assert sheets == [f"mistakes/{page + 1}" for page in range(-(-len(wrong) // 25))]
    assert f"{len(wrong)} of them misclassified" in board.told["mistakes/1"]
    for column, mistake in enumerate(wrong[:5]):  # The first row.
        left = 20 + 124 * column
        tile = board.pictures["mistakes/1"][92:200, left : left + 108]
        small = np.asarray(Image.fromarray(tile).resize((28, 28), Image.Resampling.BOX))
        assert np.corrcoef(small.ravel(), images[mistake.index].ravel())[0, 1] > 0.98


def test_of_many_mistakes_the_first_are_pictures(facts, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(boards, "_MISTAKES", 3)
    monkeypatch.setattr(boards, "_SHEET", 2)
    found = shown(facts, dataset, tmp_path)
    assert len(facts.result.mistakes) > 3
    assert {tag for tag in found.pictures if "mistakes" in tag} == {"mistakes/1", "mistakes/2"}
    assert "The first 3 are here, all in `report.html`" in found.told["mistakes/1"]


def test_the_projector_gets_what_goes_into_the_last_layer(facts, board, images):
    hidden = keras.Model(facts.model.inputs, facts.model.get_layer("f6").output)
    inputs = facts.config.preprocess(images[..., None]).numpy()
    expected = hidden.predict(inputs, verbose=0)
    assert board.vectors.shape == (119, 84)
    np.testing.assert_allclose(board.vectors, expected, rtol=1e-4, atol=1e-5)
    assert board.info.tensor_name == "input of logits"


def test_the_projector_is_told_what_each_image_is(facts, board, images, dataset):
    labels = load(dataset.split(SPLIT))[1].numpy()
    mistakes = {mistake.index: mistake for mistake in facts.result.mistakes}
    for place, row in enumerate(board.rows):
        assert row[f"index in {SPLIT}"] == str(place)
        assert row["label"] == str(labels[place])
        wrong = mistakes.get(place)
        assert row["result"] == ("wrong" if wrong else "right")
        assert row["predicted"] == str(wrong.predicted if wrong else labels[place])
        assert row["classes"] == f"{row['label']} → {row['predicted']}"
        if wrong:
            assert float(row["confidence"]) == pytest.approx(wrong.confidence, abs=1e-4)
    width, height = board.info.sprite.single_image_dim
    assert (width, height) == (28, 28)
    assert board.sprites.shape == (308, 308)
    for place in range(119):
        y, x = 28 * (place // 11), 28 * (place % 11)
        assert (board.sprites[y : y + 28, x : x + 28] == images[place]).all()


def test_paths_lead_nowhere_else(board):
    for path in (board.info.tensor_path, board.info.metadata_path, board.info.sprite.image_path):
        assert re.fullmatch(r"projector/\w+\.\w+", path)
        assert (board.folder / path).is_file()


def test_a_large_split_is_thinned_evenly_and_sprites_shrink(
    facts, dataset, tmp_path, monkeypatch, images
):
    monkeypatch.setattr(projector, "_IMAGES", 5)
    monkeypatch.setattr(projector, "_SPRITES", 45)
    found = shown(facts, dataset, tmp_path)
    assert [row[f"index in {SPLIT}"] for row in found.rows] == ["0", "23", "47", "71", "95"]
    assert found.vectors.shape == (5, 84)
    assert list(found.info.sprite.single_image_dim) == [14, 14]
    assert found.sprites.shape == (42, 42)  # Three rows of three.
    assert (found.sprites[14:28, 14:28] == images[95, ::2, ::2]).all()
    assert not found.sprites[28:].any()
    monkeypatch.setattr(projector, "_NUMBERS", 84 * 2)
    assert shown(facts, dataset, tmp_path).vectors.shape == (2, 84)


@pytest.mark.long
def test_a_new_report_replaces_the_old_one(trained, facts, dataset, tmp_path):
    found = shown(facts, dataset, tmp_path)
    before, curves = contents(found.folder), found.folder / "events.out.tfevents.1.curves.v2"
    curves.touch()
    for leftover in (found.folder, found.folder / "projector"):
        (leftover / ".digitline-tmp-1-killed").touch()
    again = shown(facts, dataset, tmp_path)
    assert contents(again.folder) == before
    assert all((again.pictures[tag] == picture).all() for tag, picture in found.pictures.items())
    other = shown(evaluated(trained.workdir, dataset, "test"), dataset, tmp_path)
    assert other.vectors.shape == (300, 84)
    assert len(other.rows) == 300
    assert "300 images of `test`" in other.told["confusion/rates"]
    assert curves.exists()
    assert len(list(other.folder.glob("events.out.tfevents.*"))) == 2
    assert not list(other.folder.rglob(".digitline-tmp-*"))


def test_a_killed_report_leaves_no_half(facts, dataset, tmp_path, monkeypatch):
    shown(facts, dataset, tmp_path)

    def fails(sprites):
        raise KeyboardInterrupt("stopped")

    monkeypatch.setattr(projector, "png_file", fails)
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        shown(facts, dataset, tmp_path)
    # TensorBoard shows no points then, rather than points with the wrong names.
    assert not (tmp_path / "tensorboard" / "projector_config.pbtxt").exists()
    monkeypatch.undo()
    assert len(shown(facts, dataset, tmp_path).rows) == 119


@pytest.mark.parametrize("name", registry.NAMES)
def test_every_network_has_an_embedding(name):
    module = registry.get(name)
    preprocess = registry.preprocess(module, (28, 28, 3), module.RECIPES["best"])
    model = module.build(preprocess.output_shape, 26)
    raw = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), np.uint8)
    inputs = preprocess(raw).numpy()
    found = projector.before_last(model)(inputs, training=False)
    assert len(found.shape) == 2
    np.testing.assert_allclose(
        model.layers[-1](found), model(inputs, training=False), rtol=1e-4, atol=1e-5
    )
    if name == "softmax":
        assert (found.numpy() == inputs.reshape(3, -1)).all()


def test_class_names_stay_in_their_cells():
    names = ("a\tb", "c\nd\r\ne", " ", "\u2028日本語")
    evaluation = of_probabilities(np.array([0, 1, 2, 3]), np.eye(4, dtype=np.float32)[[1, 1, 2, 3]])
    text = projector.metadata(names, Result("all", evaluation, (), (), {}, ()), np.arange(4))
    rows = [line.split("\t") for line in text.splitlines()]
    assert {len(row) for row in rows} == {6}
    assert [row[1] for row in rows] == ["label", "a b", "c d e", "–", "日本語"]
    assert rows[1][0] == "a b → c d e"


@pytest.mark.parametrize("value", [0.0, 2.26, -1.5])
def test_numbers_are_not_taken_for_text(value, tmp_path):
    """TensorBoard reads a tensor as text unless it is no UTF-8; that would stop it."""
    from tensorboard.plugins.projector import projector_plugin

    vectors = np.full((4, 3), value, np.float32)
    (tmp_path / "tensors.bytes").write_bytes(projector.tensor_file(vectors))
    path = str(tmp_path / "tensors.bytes")
    with pytest.raises(UnicodeDecodeError, match="invalid start byte"):
        projector_plugin._read_tensor_tsv_file(path)
    found = projector_plugin._read_tensor_binary_file(path, (4, 3))
    np.testing.assert_allclose(found, vectors, rtol=4e-5, atol=1e-40)


def test_says_what_is_missing(trained, tmp_path, monkeypatch):
    copied = shutil.copytree(trained.workdir, tmp_path / "run")
    arguments = [f"--workdir={copied}", "--tensorboard"]
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'digitline\[tensorboard\]'"):
        call(report.COMMAND, arguments)
    monkeypatch.undo()
    assert not (copied / "tensorboard").exists()
    (copied / "model.keras").unlink()
    with pytest.raises(UserError, match=r"--tensorboard: the run in .* is not finished"):
        call(report.COMMAND, arguments)


def test_a_training_and_a_report_write_it(data_dir, dataset, tmp_path, monkeypatch, capsys):
    flags = ["--max_steps=2", "--model=softmax", "--tensorboard", "--report"]
    run = Run(tmp_path / "run")
    monkeypatch.setattr(run_figures, "of_run", lambda facts: {})  # They take their time.
    call(train.COMMAND, train_arguments(data_dir, run.workdir, *flags))
    folder = run.workdir / "tensorboard"
    assert f"tensorboard --logdir={folder}" in capsys.readouterr().err
    found = read(folder)
    assert found.vectors.shape == (119, 784)
    assert found.steps == {2}
    before = contents(folder)
    again = call(report.COMMAND, [f"--workdir={run.workdir}", "--tensorboard"])
    assert again["tensorboard"] == str(folder)
    assert contents(folder) == before

    def fails(facts, evaluated):
        raise OSError("the disk is full")

    monkeypatch.setattr(boards, "write", fails)
    config, model = run.load()
    train_split, validation = splits(config, dataset, SPLIT)
    evaluation = evaluated(run.workdir, dataset, SPLIT).result.evaluation
    after_training(run, model, train_split, validation, evaluation, tensorboard=True)
    said = capsys.readouterr().err
    assert "report: " in said
    assert "note: there is no picture for TensorBoard, OSError: the disk is full" in said
    assert f"report --workdir={run.workdir} --tensorboard tries again" in said


@pytest.mark.long
def test_tensorboard_serves_it(board):
    """A real TensorBoard, asked as its page asks it."""
    flags = [f"--logdir={board.folder.parent}", "--host=127.0.0.1", "--port=0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", *flags],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        found = next(filter(None, (re.search(r" at (http://\S+)", x) for x in process.stderr)))

        def ask(path, **query):
            address = f"{found[1]}data/plugin/{path}?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(address, timeout=20) as answer:
                return answer.read()

        deadline = time.monotonic() + 30
        tags = {}
        while "tensorboard" not in tags and time.monotonic() < deadline:  # It reads by and by.
            time.sleep(0.1)
            tags = json.loads(ask("images/tags"))
        assert set(tags["tensorboard"]) == set(board.pictures)
        assert json.loads(ask("projector/runs")) == ["tensorboard"]
        (info,) = json.loads(ask("projector/info", run="tensorboard"))["embeddings"]
        which = {"run": "tensorboard", "name": info["tensorName"]}
        assert ask("projector/tensor", **which) == board.vectors.tobytes()
        lines = ask("projector/metadata", num_rows=100_000, **which).decode().splitlines()
        assert len(lines) == 101
        sprites = Image.open(io.BytesIO(ask("projector/sprite_image", **which)))
        assert (np.asarray(sprites) == board.sprites).all()
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()

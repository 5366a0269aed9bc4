"""A finished run whose files, or whose dataset, are not those that `train` left."""

import gzip
import json
import shutil

import pytest

from digitline.base import tfrecord
from digitline.base.errors import DataError, UserError
from digitline.data import digests, prepare
from digitline.data.dataset import open_dataset
from digitline.data.sources import idx
from digitline.models import evaluate
from digitline.models.run.folder import Run

from support import DATASET, call, damage, edit, export, idx_bytes, unsealed_dataset


@pytest.fixture
def run(quick, tmp_path):
    return Run(shutil.copytree(quick.workdir, tmp_path / "run"))


@pytest.fixture
def datasets(data_dir, tmp_path):
    return shutil.copytree(data_dir, tmp_path / "datasets")


def edit_sealed(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def swap_labels(config):
    names = config["dataset"]["label_names"]
    names[3], names[5] = names[5], names[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["recipe"].update(epochs=9.0), "recipe.epochs is 9.0; it was 3.0"),
        (lambda config: config["preprocess"].update(mean=0.0), "preprocess.mean is 0.0; it was 0."),
        (lambda config: config.update(seed=5), "seed is 5; it was 0"),
        (lambda config: config.update(digitline="9"), "digitline is 9; it was 0.1.0"),
        (lambda config: config["dataset"].update(fingerprint="0"), "dataset.fingerprint is 0; it"),
        (lambda config: config["recorded_pictures"].update(fit="crop"), "recorded_pictures.fit is"),
        (lambda config: config["packages"].pop("keras"), "packages.keras is None; it was 3"),
        (swap_labels, r"dataset.label_names\[3\] is 5; it was 3"),
    ],
)
def test_an_edited_configuration_is_refused(change, message, run):
    edit_sealed(run.config, change)
    with pytest.raises(UserError, match=rf"run/config\.json: {message}.* when model\.keras was tr"):
        run.load()


def test_where_the_dataset_lies_may_be_edited(run):
    edit_sealed(run.config, lambda config: config.update(data_dir="elsewhere"))
    assert run.load()[0].data_dir == "elsewhere"


run_by = {
    "evaluate": lambda run, _, *more: call(evaluate.COMMAND, [f"--workdir={run.workdir}", *more]),
    "export": lambda run, folder, *more: export(run, folder / "exports", *more),
}


@pytest.mark.parametrize("command", run_by)
def test_the_model_of_another_run_is_refused(command, run, trained, tmp_path):
    shutil.copy(Run(trained.workdir).model, run.model)
    with pytest.raises(UserError, match=r"run/model\.keras: not the model that this run has tra"):
        run_by[command](run, tmp_path)
    assert not list(tmp_path.glob("exports/*/*"))


def test_all_of_another_run_but_its_configuration_is_refused(run, trained):
    other = Run(trained.workdir)
    for mine, theirs in ((run.model, other.model), (run.training_record, other.training_record)):
        shutil.copy(theirs, mine)
    with pytest.raises(UserError, match=r"training\.json is not as .* or another run's\); restore"):
        run.load()
    edit(run.training_record)  # Those of the last release do not say whose they are.
    with pytest.raises(UserError, match=r"config\.json: model is softmax; it was lenet5 when"):
        run.load()


def test_a_run_of_the_last_release_is_taken_as_it_is(run, capsys, datasets):
    edit(run.training_record, lambda record: record.pop("made"))
    edit(run.config, lambda config: config.update(seed=5))
    exchange_shards(unsealed_dataset(datasets))
    call(evaluate.COMMAND, [f"--workdir={run.workdir}", f"--data_dir={datasets}"])
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "training.json" in line)
    assert "(a run of an earlier version): they are taken as they are" in line


def shard(datasets, split="test", number=1):
    return next(datasets.glob(f"{DATASET}/*/*-{split}.tfrecord-0000{number}-*"))


def exchange_shards(datasets):
    first, second = shard(datasets, number=0), shard(datasets, number=1)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def change_a_label(datasets, number=1):
    """Of the first record of a shard of the test split, with checksums that hold."""
    path = shard(datasets, number=number)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    example = bytearray(content[12 : 12 + length])
    example[example.index(b"label") + len(b"label") + 6] ^= 1
    path.write_bytes(tfrecord.framed(bytes(example)) + content[16 + length :])


def change_in_the_middle(datasets):
    """Two records of a shard of the test split are exchanged."""
    path = shard(datasets)
    content = path.read_bytes()
    size = len(content) // 100
    first, second = (content[start * size : (start + 1) * size] for start in (50, 51))
    path.write_bytes(content[: 50 * size] + second + first + content[52 * size :])


def lengthen(datasets):
    with open(shard(datasets), "ab") as file:
        file.write(tfrecord.framed(b"more"))


@pytest.mark.parametrize("command", run_by)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (exchange_shards, r"test\.tfrecord-00000-of-00003: not what the dataset was prepared with"),
        (change_a_label, r"test\.tfrecord-00001-of-00003: not what .* \(other bytes at its ends\)"),
        (change_in_the_middle, r"-00001-of-00003: not what the run .* \(sha256 \w+, \w+ then\)"),
        (lengthen, r"test\.tfrecord-00001-of-00003: not what .* \([\d,]+ bytes, [\d,]+ then\)"),
        (lambda datasets: damage(datasets, "test", 7), "00001-of-00003, record 7: .* leave it ou"),
    ],
)
def test_a_changed_shard_is_refused(command, change, message, run, datasets, tmp_path):
    change(datasets)
    with pytest.raises(DataError, match=message):
        run_by[command](run, tmp_path, f"--data_dir={datasets}", "--split=test")
    assert not list(tmp_path.glob("exports/*/*"))


def test_only_shards_that_are_read_count_and_lost_records_are_allowed(run, datasets):
    change_a_label(datasets)  # In the second shard.
    arguments = [f"--workdir={run.workdir}", f"--data_dir={datasets}"]
    call(evaluate.COMMAND, [*arguments, "--split=test[:50]"])
    damage(datasets, "test", 7)
    more = ["--split=test", "--max_corrupt_records=1"]
    assert call(evaluate.COMMAND, [*arguments, *more])["corrupt_records"] == 1


def prepared(folder, testdata, *more):
    arguments = [f"--dataset={DATASET}", "--digits", "--validation_fraction=0", *more]
    call(prepare.COMMAND, [*arguments, f"--data_dir={folder}", f"--source_dir={testdata}"])
    return folder


def test_the_same_images_in_other_shards_are_the_same(run, testdata, tmp_path, dataset):
    datasets = prepared(tmp_path / "one", testdata, "--num_shards=1")
    (whole,) = {digest.sha256 for digest in digests.of_dataset(dataset) if digest.name == "test"}
    one = open_dataset(datasets, DATASET)
    assert whole in {digest.sha256 for digest in digests.of_dataset(one)}
    call(evaluate.COMMAND, [f"--workdir={run.workdir}", f"--data_dir={datasets}"])
    change_a_label(datasets, number=0)
    with pytest.raises(DataError, match=r"00000-of-00001: not what the dataset was prepared with"):
        call(evaluate.COMMAND, [f"--workdir={run.workdir}", f"--data_dir={datasets}"])
    unsealed_dataset(datasets)
    with pytest.raises(DataError, match=r"1\.0\.0: not what .* \(other records in test\)"):
        call(evaluate.COMMAND, [f"--workdir={run.workdir}", f"--data_dir={datasets}"])


def test_a_dataset_that_is_prepared_again_with_other_labels_is_refused(
    run, datasets, testdata, tmp_path, capsys
):
    labels = tmp_path / "idx"
    shutil.copytree(testdata, labels)
    for path in labels.glob("*labels*.gz"):
        numbers = idx.read_labels(path)
        path.write_bytes(gzip.compress(idx_bytes((numbers + 1) % 10)))
    other = prepared(tmp_path / "other", labels, "--num_shards=3")
    edit_sealed(run.config, lambda config: config.update(data_dir=str(other)))
    before = run.evaluation.read_text()
    with pytest.raises(UserError, match=r"not byte for byte the dataset of the run .* train again"):
        call(evaluate.COMMAND, [f"--workdir={run.workdir}"])
    with pytest.raises(UserError, match=r"not byte for byte the dataset of the run .* train again"):
        export(run, tmp_path / "exports", f"--data_dir={other}")
    call(evaluate.COMMAND, [f"--workdir={run.workdir}", f"--data_dir={other}"])
    assert "of other images: they are not recorded" in capsys.readouterr().err
    assert run.evaluation.read_text() == before
    (names,) = unsealed_dataset(datasets).glob(f"{DATASET}/*/label.labels.txt")
    names.write_text("0\n2\n1\n3\n4\n5\n6\n7\n8\n9\n")
    with pytest.raises(UserError, match="class 1 is 2 there, 1 in the run"):
        call(evaluate.COMMAND, [f"--workdir={run.workdir}", f"--data_dir={datasets}"])

import dataclasses
import shutil

import pytest

from digitline.base.errors import DataError, UsageError
from digitline.data import prepare, shards
from digitline.data.dataset import Dataset, open_dataset
from digitline.data.sources import idx

from support import DATASET, call, edit, idx_bytes, unsealed_dataset


def test_opens_a_prepared_dataset(dataset):
    assert dataset.image_shape == (28, 28, 1)
    assert dataset.label_names == tuple("0123456789")
    assert dataset.split_names == ("train", "test")
    assert dataset.encoding == "raw"


@pytest.mark.parametrize(
    ("name", "splits", "expected"),
    [
        ("mnist", ("train", "test"), ("train[100:]", "train[:100]")),  # The article's shares.
        ("own", ("train", "test"), ("train[10%: by class]", "train[:10% by class]")),
        ("own", ("train", "validation", "test"), ("train", "validation")),
        ("own", ("train", "val"), ("train", "val")),
    ],
)
def test_default_splits(name, splits, expected, dataset):
    class Other(Dataset):
        split_names = splits

    fields = {field.name: getattr(dataset, field.name) for field in dataclasses.fields(dataset)}
    assert Other(**{**fields, "name": name}).default_splits() == expected


def test_parts_of_splits(dataset):
    assert dataset.split("train[100:]").examples == 1100
    assert dataset.split("train[100:]+test").examples == 1400
    both = dataset.split("train[:10% by class] + test[:20]")
    assert both.examples == 119 + 20
    assert shards.indices(both.shards).tolist() == [*range(139)]


def test_rejects_an_unknown_split(dataset):
    with pytest.raises(UsageError, match="no split 'tset' in tiny_digits"):
        dataset.split("tset")


def test_says_how_to_prepare(tmp_path):
    with pytest.raises(DataError, match=r"mnist is not prepared in .*: run digitline prepare"):
        open_dataset(tmp_path, "mnist")


def test_the_newest_version_counts(data_dir, tmp_path):
    shutil.copytree(data_dir / DATASET, tmp_path / DATASET)
    shutil.copytree(tmp_path / DATASET / "1.0.0", tmp_path / DATASET / "1.0.10")
    (tmp_path / DATASET / "1.0.2").mkdir()  # No dataset in it.
    assert open_dataset(tmp_path, DATASET).version == "1.0.10"


def test_the_fingerprint_is_of_the_content(dataset, tmp_path, testdata):
    arguments = [f"--dataset={DATASET}", f"--data_dir={tmp_path}", "--validation_fraction=0"]
    call(prepare.COMMAND, [*arguments, f"--source_dir={testdata}", "--num_shards=5"])
    assert open_dataset(tmp_path, DATASET).fingerprint == dataset.fingerprint
    other = shutil.copytree(testdata, tmp_path / "other")
    labels = idx.read_labels(other / "t10k-labels-idx1-ubyte.gz").copy()
    labels[9] = 3
    (other / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(labels))
    call(prepare.COMMAND, [*arguments, f"--source_dir={other}", "--overwrite"])
    assert open_dataset(tmp_path, DATASET).fingerprint != dataset.fingerprint


def test_a_folder_of_tfds_itself_has_a_fingerprint_too(dataset, data_dir, tmp_path):
    shutil.copytree(data_dir / DATASET, tmp_path / DATASET)
    folder = tmp_path / DATASET / "1.0.0"
    edit(folder / "dataset_info.json", lambda info: info.update(moduleName="tensorflow_datasets.x"))
    (folder / "metadata.json").unlink()
    first = open_dataset(tmp_path, DATASET).fingerprint
    assert first == open_dataset(tmp_path, DATASET).fingerprint
    shard = next(folder.glob("*-test.tfrecord-*"))
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    assert open_dataset(tmp_path, DATASET).fingerprint != first


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "fashion-mnist",
            r"did you mean fashion_mnist\? digitline prepare --dataset=fashion_mnist ",
        ),
        ("Tiny-Digits", r"did you mean tiny_digits\? \(prepared there: tiny_digits;"),
        ("emnist/letters", "run digitline prepare --dataset=emnist/letters --data_dir="),
        ("emnist/none", r"prepared in \S+ \(prepared there: tiny_digits; .* train --data=PATH"),
        ("my_pictures", r"prepared in \S+ \(prepared there: tiny_digits; .* train --data=PATH"),
    ],
)
def test_a_dataset_that_is_not_prepared(name, hint, data_dir):
    with pytest.raises(DataError, match=hint):
        open_dataset(data_dir, name)


def test_rejects_a_folder_that_is_not_an_image_dataset(data_dir, tmp_path):
    shutil.copytree(data_dir / DATASET, tmp_path / DATASET)
    unsealed_dataset(tmp_path)
    (tmp_path / DATASET / "1.0.0" / "features.json").write_text("{}")
    with pytest.raises(DataError, match="not a dataset of images and labels"):
        open_dataset(tmp_path, DATASET)
    (tmp_path / DATASET / "1.0.0" / "dataset_info.json").write_text('{"name":')
    with pytest.raises(DataError, match="prepare tiny_digits again: the command of the first time"):
        open_dataset(tmp_path, DATASET)

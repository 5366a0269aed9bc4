import itertools

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.base.pixels import dialect
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.preparation.request import name_of
from digitline.data.sources import idx

from support import call


@pytest.fixture(scope="session")
def digits(testdata):
    """1,200 digits: uint8 [1200, 28, 28], uint8 [1200]."""
    images = idx.read_images(testdata / "train-images-idx3-ubyte.gz")
    return images, idx.read_labels(testdata / "train-labels-idx1-ubyte.gz")


HEADER = "label," + ",".join(f"pixel{index}" for index in range(784))


def write(path, images, labels, header=None):
    lines = [header] if header else []
    for image, label in zip(images, labels, strict=True):
        lines.append(f"{label}," + ",".join(map(str, image.ravel())))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def kaggle(digits, tmp_path_factory):
    """A folder as Kaggle's: test.csv has no labels. Do not change it."""
    folder = tmp_path_factory.mktemp("csv") / "digit-recognizer"
    images, labels = digits
    write(folder / "train.csv", images, labels, HEADER)
    rows = [",".join(map(str, image.ravel())) for image in images[:3]]
    (folder / "test.csv").write_text("\n".join([HEADER.removeprefix("label,"), *rows]))
    (folder / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    return folder


def run(folder, *arguments):
    return call(prepare.COMMAND, ["--dataset=csv", f"--data_dir={folder}", *arguments])


def examples(folder, name, split):
    builder = open_dataset(folder, name).builder
    images, labels = zip(
        *builder.as_dataset(split=split, as_supervised=True).as_numpy_iterator(), strict=True
    )
    return np.array(images)[..., 0], np.array(labels)


def test_kaggles_folder_in_the_files_order(kaggle, digits, tmp_path, capsys):
    result = run(tmp_path, f"--source_dir={kaggle}", "--test_fraction=0", "--num_shards=5")
    assert "test.csv is left out: its rows have no label column" in capsys.readouterr().err
    assert result["dataset"] == "digit_recognizer"
    assert list(result["splits"]) == ["validation", "train"]
    images, labels = digits
    held = np.array([int(count * 0.1 + 0.5) for count in np.bincount(labels)])
    kept, kept_labels = examples(tmp_path, "digit_recognizer", "train")
    _, held_labels = examples(tmp_path, "digit_recognizer", "validation")
    assert np.bincount(held_labels).tolist() == held.tolist()
    positions = {image.tobytes(): index for index, image in enumerate(images)}
    order = [positions[image.tobytes()] for image in kept]
    assert order == sorted(order)
    assert np.array_equal(kept_labels, labels[order])


def test_one_file_without_header_whole_and_any_number_of_shards(digits, tmp_path):
    images, labels = digits[0][:200], digits[1][:200]
    path = write(tmp_path / "few.csv", images, labels)
    flags = [f"--source_file={path}", "--validation_fraction=0", "--test_fraction=0"]
    one = run(tmp_path / "one", *flags, "--num_shards=1")
    many = run(tmp_path / "many", *flags, "--num_shards=64")  # Some shards get a row or two.
    assert one["splits"] == many["splits"] == {"train": 200}
    assert one["fingerprint"] == many["fingerprint"]
    for folder in ("one", "many"):
        found, found_labels = examples(tmp_path / folder, "few", "train")
        assert np.array_equal(found, images)
        assert np.array_equal(found_labels, labels)


def test_a_test_file_words_as_labels_and_fractions(digits, tmp_path):
    folder = tmp_path / "words"
    words = [("even", "odd")[label % 2] for label in digits[1]]
    small = digits[0][:, ::4, ::4].astype(str)
    small[0, 0, 0] = "3.0"
    write(folder / "my-train.csv", small[:100], words[:100])
    write(folder / "my-test.csv", small[100:130], words[100:130])
    result = run(tmp_path, f"--source_dir={folder}", "--name=parity")
    assert result["splits"] == {"train": 90, "validation": 10, "test": 30}
    assert set(examples(tmp_path, "parity", "validation")[1]) == {0, 1}
    assert result["image_shape"] == [7, 7, 1]
    assert open_dataset(tmp_path, "parity").label_names == ("even", "odd")
    assert open_dataset(tmp_path, "parity").pictures.scale == 1
    assert examples(tmp_path, "parity", "train")[0][0, 0, 0] == 3


def test_bad_rows_are_named_or_left_out(kaggle, tmp_path):
    lines = (kaggle / "train.csv").read_text().splitlines()
    lines[7] = lines[7].rpartition(",")[0]
    lines[900] = lines[900].rpartition(",")[0] + ",256"
    lines[901] = lines[901].rpartition(",")[0] + ",x"
    lines[902] = "5"
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"bad.csv, row 7: expected 785 columns, got 784; mend"):
        run(tmp_path, f"--source_file={path}")
    result = run(tmp_path, f"--source_file={path}", "--max_corrupt_images=4")
    assert result["corrupt_images"] == 4
    assert sum(result["splits"].values()) == 1196
    assert "row 900: pixel 783 is 256, not a number from 0 to 255" in result["corrupt_files"][1]
    assert "row 901: pixel 783 is x, not a number" in result["corrupt_files"][2]


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
def test_every_line_belongs_to_one_slice(newline, tmp_path):
    path = tmp_path / "lines.csv"
    rows = [f"{index % 10},{index},{'7' * (index % 13)}" for index in range(50)]
    path.write_text(newline.join(["label,a,b", *rows]), newline="")
    file = dialect.look(path)
    for step in (1, 2, 7, 1000):
        edges = [*range(file.start, file.size, step), file.size]
        found = [
            line.decode()
            for start, end in itertools.pairwise(edges)
            for line in file.lines(start, end)
        ]
        assert found == rows


def test_names_by_file_and_folder(tmp_path):
    def name(place):
        return name_of(tmp_path / place, "csv")

    assert name("My Digits-2.csv") == "my_digits_2"
    assert name("Letters/train.csv") == "letters"
    assert name("2024 run") == "run"
    assert name("數字") == "csv"


def test_flags_and_folders(tmp_path):
    with pytest.raises(UsageError, match="needs --source_file"):
        run(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        run(tmp_path, "--source_file=none.csv")
    with pytest.raises(DataError, match=r"expected a file named like train\.csv"):
        run(tmp_path, f"--source_dir={tmp_path}")
    with pytest.raises(UsageError, match="--source_file goes with --dataset=image_folder or csv"):
        call(prepare.COMMAND, ["--dataset=mnist", "--source_file=x.csv"])

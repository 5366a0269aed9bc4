import io
import json
import os
import zipfile

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError, UsageError, UserError
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.pipeline import records
from digitline.models import train
from digitline.models.run.folder import Run

from support import call


def save(path, classes=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 12)).astype(np.uint8)
    np.savez(path, images=images, labels=np.arange(60) % classes)
    os.utime(path, ns=(1, classes))  # Whatever the clock's grain.
    return path


def run(folder, path, *more):
    """Trains a step on the data; returns the result."""
    return call(
        train.COMMAND,
        [
            "--model=softmax", f"--data={path}", f"--data_dir={folder / 'data'}", "--max_steps=1",
            "--batch_size=8", "--noreport", f"--workdir={folder / 'run'}", *more,
        ],
    )  # fmt: skip


def prepared(folder, name):
    return open_dataset(folder / "data", name)


def test_a_changed_file_is_prepared_again_and_its_run_refused(tmp_path, capsys):
    path = save(tmp_path / "toy.npz")
    run(tmp_path, path)
    first = prepared(tmp_path, "toy").fingerprint
    assert run(tmp_path, path)["reused"]
    assert "has changed since" not in capsys.readouterr().err
    save(path, classes=3)
    with pytest.raises(UsageError, match=f"dataset.fingerprint is {first} there"):
        run(tmp_path, path)
    assert "toy.npz has changed since " in capsys.readouterr().err
    assert prepared(tmp_path, "toy").num_classes == 3
    run(tmp_path, path, "--overwrite")
    config = json.loads(Run(tmp_path / "run").config.read_text())
    assert config["dataset"]["label_names"] == ["0", "1", "2"]


def test_a_changed_csv_file_and_folder_are_prepared_again(tmp_path):
    shapes = tmp_path / "shapes"
    for index in range(20):
        place = shapes / ("light", "dark")[index % 2] / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.full((8, 8), 200 * (index % 2), np.uint8)).save(place)
    rows = [f"{index % 2}," + ",".join(["7"] * 64) for index in range(20)]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    run(tmp_path, shapes)
    assert prepared(tmp_path, "shapes").split("train+validation+test").examples == 20
    (shapes / "light" / "0.png").unlink()
    run(tmp_path, shapes, "--overwrite")
    assert prepared(tmp_path, "shapes").split("train+validation+test").examples == 19
    run(tmp_path, tmp_path / "rows.csv", "--overwrite")
    (tmp_path / "rows.csv").write_text("\n".join(rows[1:]))
    run(tmp_path, tmp_path / "rows.csv", "--overwrite")
    assert prepared(tmp_path, "rows").split("train+validation+test").examples == 19


@pytest.mark.long
def test_an_archive_with_flags_of_its_own(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "my shapes.zip", "w") as archive:
        for index in range(12):
            content = io.BytesIO()
            PIL.Image.new("L", (20, 10 + index), index).save(content, "PNG")
            archive.writestr(f"shapes/{'ab'[index % 2]}/{index}.png", content.getvalue())
        archive.writestr("shapes/a/notes.txt", "none")
        archive.writestr("shapes/a/bad.png", "none")
    path = tmp_path / "my shapes.zip"
    with pytest.raises(DataError, match=r"bad.png: not a picture .*--max_corrupt_images=N$"):
        run(tmp_path, path)
    run(tmp_path, path, "--max_corrupt_images=1", "--image_size=8")
    said = capsys.readouterr().err
    assert "left out: .txt files: 1 (shapes/a/notes.txt)" in said
    assert "left out, since they do not decode: 1" in said
    made = prepared(tmp_path, "my_shapes")
    assert made.image_shape == (8, 8, 1)
    assert made.pictures.fit == "pad"
    assert run(tmp_path, path, "--max_corrupt_images=1", "--image_size=8")["reused"]
    more = ("--max_corrupt_images=1", "--image_size=8", "--fit=crop", "--overwrite")
    run(tmp_path, path, *more)
    assert "was prepared with fit pad, not crop: preparing it again" in capsys.readouterr().err
    assert prepared(tmp_path, "my_shapes").pictures.fit == "crop"
    run(tmp_path, path, *more, "--name=other")
    assert prepared(tmp_path, "other").fingerprint == prepared(tmp_path, "my_shapes").fingerprint


def test_what_prepare_was_asked_for_in_another_way_is_not_replaced(tmp_path):
    path = save(tmp_path / "toy.npz")
    call(
        prepare.COMMAND,
        ["--dataset=npz", f"--source_file={path}", f"--data_dir={tmp_path / 'data'}",
         "--test_fraction=0.3"],
    )  # fmt: skip
    before = prepared(tmp_path, "toy").fingerprint
    save(path, classes=3)
    with pytest.raises(DataError, match=r"prepared with another test_fraction .* --name"):
        run(tmp_path, path, "--overwrite")
    assert prepared(tmp_path, "toy").fingerprint == before


def test_two_files_of_one_name_and_what_is_no_data(tmp_path):
    run(tmp_path, save(tmp_path / "toy.npz"))
    other = save(tmp_path / "other" / "toy.npz")
    with pytest.raises(DataError, match=r"prepared with another place .* with --name"):
        run(tmp_path, other, "--overwrite")
    run(tmp_path, other, "--overwrite", "--name=other_toy")
    table = tmp_path / "toy.csv"
    rows = (f"{row % 2},{','.join(str(row + pixel) for pixel in range(16))}" for row in range(40))
    table.write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"prepared with another place .*toy\.csv.* with --name"):
        run(tmp_path, table, "--overwrite")
    assert prepared(tmp_path, "toy").image_shape == (12, 12, 1)
    with pytest.raises(DataError, match=r"no such file$"):  # No flag would help.
        run(tmp_path, tmp_path / "none.npz")
    (tmp_path / "empty").mkdir()
    for name in ("digits.txt", "one.png", "x.rar", "empty", "none"):
        with pytest.raises(UsageError, match=r"expected an \.npz file, a \.csv file, a folder of"):
            run(tmp_path, tmp_path / name)
    with pytest.raises(UsageError, match="--fit goes with --data, your own images"):
        call(train.COMMAND, ["--dataset=mnist", "--fit=crop"])


def test_a_public_name_is_neither_made_nor_replaced(tmp_path):
    path = save(tmp_path / "mnist.npz")
    for more in ((), ("--overwrite",)):
        with pytest.raises(UsageError, match=r"would be called mnist.*own with --name"):
            run(tmp_path, path, *more)
    assert not (tmp_path / "data").exists()


def test_data_and_a_dataset_are_one_too_many(tmp_path):
    path = save(tmp_path / "toy.npz")
    for name in ("other", "mnist"):  # That is the default, but here it is asked for.
        with pytest.raises(UsageError, match=f"and --dataset={name}: give one of them"):
            run(tmp_path, path, f"--dataset={name}")
    run(tmp_path, path)


def test_rejects_a_dataset_of_one_class(tmp_path):
    with pytest.raises(DataError, match=r"toy, from .* has only one class \(0\): .*another class"):
        run(tmp_path, save(tmp_path / "toy.npz", classes=1))
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.rglob("dataset_info.json"))


def test_rejects_too_few_images_to_validate_on(tmp_path):
    path = tmp_path / "few.npz"
    np.savez(path, images=np.zeros((2, 8, 8), np.uint8), labels=[0, 1])
    with pytest.raises(UsageError, match=r"few in .* has too few images to validate on .*\(2 of"):
        run(tmp_path, path)


def test_a_table_of_files_with_the_folder_of_its_pictures(tmp_path):
    table = tmp_path / "my table.csv"
    table.write_text("file,label\n" + "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(20)))
    with pytest.raises(DataError, match=r"names picture files, such as 0.png: .* --source_dir$"):
        run(tmp_path, table)
    pictures(tmp_path / "far" / "away")
    run(tmp_path, table, f"--source_dir={tmp_path}/far/away")
    assert prepared(tmp_path, "my_table").image_shape == (6, 6, 1)
    with pytest.raises(UsageError, match="--source_dir goes with a CSV file of file names"):
        run(tmp_path, save(tmp_path / "toy.npz"), f"--source_dir={tmp_path}/far/away")


def test_a_folder_without_classes_and_the_table_of_its_pictures(tmp_path, capsys):
    data = tmp_path / "pets"
    for folder in ("test", "train"):
        pictures(data / folder, shade=12 if folder == "train" else 5)
    lines = [f"{n},{'ab'[n % 2]}\n" for n in range(20)]
    (data / "trainLabels.csv").write_text("".join(["id,label\n", *lines]))
    (data / "sampleSubmission.csv").write_text("".join(["id,label\n", *lines]))
    run(tmp_path, data)
    assert f"trainLabels.csv names pictures: they are in {data}/train" in capsys.readouterr().err
    whole = prepared(tmp_path, "trainlabels").split("train+validation+test")
    assert sorted(np.unique(records.load(whole)[0])) == [12 * n for n in range(20)]
    (data / "train.csv").write_text("".join(["id,label\n", *lines]))
    with pytest.raises(
        UsageError, match=r"several tables name pictures: train.csv, trainLabels.cs"
    ):
        run(tmp_path, data)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["X.npy", "y.npy"], r"but 2 \.npy; .*put images and labels into one file: numpy.savez"),
        (["data/train-0.parquet"], r"1 \.parquet; .*load it in Python, and save its images"),
        (["a/1.heic", "b/1.HEIC"], r"2 \.heic; .*save the pictures as JPEG or PNG"),
        (["train-images-idx3-ubyte.gz"], "IDX files: digitline prepare --source=local"),
        (["a.npz", "b.npz"], r"holds 2 \.npz files \(a.npz, b.npz\), expected one with images"),
        (["1/a.csv", "2/b.csv"], "holds 2 csv files, expected them in one folder"),
        (["train2017/1.png", "val2017/1.png"], "train2017, val2017: called as splits, but no"),
    ],
)
def test_says_what_to_do_with_other_files(names, message, tmp_path):
    for name in names:
        (tmp_path / "it" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "it" / name).touch()
    with pytest.raises(UserError, match=message):
        run(tmp_path, tmp_path / "it")


def pictures(folder, shade=12):
    """Pictures 0.png to 19.png, each of one shade of its own."""
    folder.mkdir(parents=True)
    for index in range(20):
        picture = np.full((6, 6), shade * index, np.uint8)
        PIL.Image.fromarray(picture).save(folder / f"{index}.png")


def test_a_table_of_files_finds_the_pictures_beside_it(tmp_path, capsys):
    pictures(tmp_path / "images")
    table = tmp_path / "labels.csv"
    names = [*range(20), 99]
    table.write_text("id,breed\n" + "".join(f"{name},{'ab'[name % 2]}\n" for name in names))
    with pytest.raises(DataError, match=r"99: no such file; .* --max_corrupt_images"):
        run(tmp_path, table)
    assert not (tmp_path / "data" / "labels").exists()
    run(tmp_path, table, "--max_corrupt_images=1")
    assert f"labels.csv names pictures: they are in {tmp_path}/images" in capsys.readouterr().err
    assert prepared(tmp_path, "labels").label_names == ("a", "b")
    with pytest.raises(DataError, match=r"99: no such file"):  # As many as then may not be missing.
        run(tmp_path, table)
    assert "without 1 damaged pictures or rows, more than --max_corrupt" in capsys.readouterr().err

import re
import shutil

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError, UsageError, UserError
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.preparation import kinds
from digitline.data.sources.tables import file_table, picture_finder

from support import call

COUNT = 12


@pytest.fixture
def folder(tmp_path):
    """Pictures 0.png to 11.png, each of one shade of its own."""
    (tmp_path / "images").mkdir()
    for index in range(COUNT):
        picture = np.full((6, 5), 20 * index, np.uint8)
        PIL.Image.fromarray(picture).save(tmp_path / "images" / f"{index}.png")
    return tmp_path / "images"


def table(folder, content):
    path = folder.parent / "labels.csv"
    path.write_text(content)
    return path


def rows(form, header="", count=COUNT):
    return header + "".join(form.format(i=i, c="cat" if i % 3 else "dog") for i in range(count))


def test_prepares_pictures_by_a_table(folder, tmp_path, capsys):
    path = table(folder, rows("{i}.png,{c}\n", "file,label\n"))
    flags = ["--dataset=csv", f"--source_file={path}", f"--source_dir={folder}", "--name=pets"]
    flags += [f"--data_dir={tmp_path}", "--test_fraction=0", "--validation_fraction=0"]
    result = call(prepare.COMMAND, flags)
    said = capsys.readouterr().err
    assert "files in column `file`, label in column `label`, separator `,`, header" in said
    assert result["splits"] == {"train": COUNT}
    assert result["image_shape"] == [6, 5, 1]
    dataset = open_dataset(tmp_path, "pets")
    assert dataset.label_names == ("cat", "dog")
    examples = dataset.builder.as_dataset(split="train", as_supervised=True).as_numpy_iterator()
    assert {(int(image[0, 0, 0]) // 20, int(label)) for image, label in examples} == {
        (index, int(index % 3 == 0)) for index in range(COUNT)
    }
    assert call(prepare.COMMAND, flags)["reused"]
    PIL.Image.new("L", (5, 6)).save(folder / "12.png")
    with pytest.raises(DataError, match="has changed since"):
        call(prepare.COMMAND, flags)


@pytest.mark.parametrize(
    "content",
    [
        rows("{i}.png,{c}\n"),
        rows("{c};images/{i}.png\n", "class;picture\n"),
        rows("{i},{c}\n", "id,breed\n"),
        rows('"images\\{i}.png","{c}"\n', "filename,label\n"),
        rows("{i}.png\t5\t{c}\n", "image\twidth\tclass\n"),
        rows("{i},{i}.png,{c}\n", ",file,label\n"),
        rows("{i}.png,{c},1\n", "file,a,b\n"),
        rows("{i},{c}\n", "id_code,diagnosis\n"),
        rows("{i}.png,{c}\n{i}.png,{c}\n", "file,label\n"),
    ],
)
def test_forms_of_a_table(content, folder):
    found = file_table.read(table(folder, content), folder, None)
    assert found.label_names == ("cat", "dog")
    assert found.names("train", "dog") == ["0.png", "3.png", "6.png", "9.png"]
    assert found.damaged == found.left_out() == ()


def test_splits_and_pictures_without_a_row(folder):
    content = rows("{i}.png,{c},train\n", "file,label,split\n", 8) + "8.png,cat,val\n"
    found = file_table.read(table(folder, content), folder, None)
    assert found.names("validation", "cat") == ["8.png"]
    (left_out,) = found.left_out()
    assert str(left_out) == "pictures without a row: 3 (10.png, 11.png, 9.png)"


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("3.png,\n", "row 4: it has no label"),
        (",cat\n", "row 4: it names no file"),
        ("1.png,dog\n", r"row 4: 1.png is cat \(train\) in labels.csv, row 2"),
        ("3.png,cat,dog\n", "row 4: expected 2 cells"),
        ("gone.png,cat\n", "gone.png: no such file"),
    ],
)
def test_a_damaged_row_is_named(row, cause, folder, tmp_path):
    lines = rows("{i}.png,{c}\n", "file,label\n").splitlines(keepends=True)
    path = table(folder, "".join([*lines[:4], row, *lines[5:]]))
    flags = ["--dataset=csv", f"--source_file={path}", f"--source_dir={folder}", "--name=pets"]
    flags += [f"--data_dir={tmp_path}", "--num_shards=1"]
    with pytest.raises(DataError, match=f"{cause}.* --max_corrupt_images"):
        call(prepare.COMMAND, flags)
    result = call(prepare.COMMAND, [*flags, "--max_corrupt_images=1"])
    assert result["corrupt_images"] == 1
    assert sum(result["splits"].values()) == COUNT - 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (rows("no{i}.png,{c}\n", "file,label\n"), "none of the files that it names is in"),
        (rows("{i}.png,1,0\n", "file,dog,cat\n"), "`dog` to column `cat` hold a single 1 in each"),
        (rows("{i}.png,5,6\n", "file,a,b\n"), "which column holds the label cannot be told"),
        (rows("{i}.png,cat\n", "file,label\n"), "holds one value, cat, in all of 12 rows"),
        (rows("7,8,9\n"), "which column names the picture files cannot be told"),
        ("file,label\n", "holds no rows, only a header"),
    ],
)
def test_rejects_other_tables(content, message, folder):
    with pytest.raises(UserError, match=message):
        file_table.read(table(folder, content), folder, None)


def test_finds_the_pictures_beside_the_table(folder):
    path = table(folder, rows("/content/images/{i}.png,{c}\n", "file,label\n"))
    assert picture_finder.beside(path) == folder.parent
    path = table(folder, rows("C:\\any\\{i}.png,{c}\n", "file,label\n"))
    assert picture_finder.beside(path) == folder
    train = folder.rename(folder.parent / "train")
    shutil.copytree(train, folder.parent / "test")
    path = table(folder, rows("{i},{c}\n", "id,label\n"))
    assert picture_finder.beside(path) == train
    assert picture_finder.beside(path.rename(path.parent / "test.csv")) == folder.parent / "test"
    (train / "train").mkdir()
    for picture in train.glob("*.png"):
        picture.rename(train / "train" / picture.name)
    shutil.rmtree(folder.parent / "test")
    path = table(folder, rows("{i},{c}\n", "id,label\n"))
    assert picture_finder.beside(path) == train / "train"
    shutil.move(train / "train", folder.parent / "others")
    shutil.copytree(folder.parent / "others", folder.parent / "test")
    path = table(folder, rows("{i},{c}\n", "id,label\n"))
    with pytest.raises(DataError, match=r"others and in .*test: give their folder with --source_d"):
        picture_finder.beside(path)
    path = table(folder, rows(f"{'7 ' * 999},{{c}}\n", "pixels,label\n"))
    assert picture_finder.beside(path) is None


def kaggle(root, tables):
    """Pictures of two splits under the same names, and tables of them."""
    for split, shade in (("train", 20), ("test", 5)):
        (root / split).mkdir(parents=True)
        for index in range(COUNT):
            picture = np.full((6, 5), shade * index, np.uint8)
            PIL.Image.fromarray(picture).save(root / split / f"{index}.png")
    for name, content in tables.items():
        (root / name).write_text(content)
    return root


TRAIN = rows("{i},{c}\n", "id,label\n")


@pytest.mark.parametrize(
    ("tables", "splits", "said"),
    [
        ({"train.csv": TRAIN, "test.csv": TRAIN}, 1, r"test.csv: files .* split test, separator"),
        ({"trainLabels.csv": TRAIN, "testLabels.csv": rows("{c},x,{i}\n", "label,x,id\n")}, 1, ""),
        ({"train.csv": rows("{i},{c}\n"), "test.csv": rows("{i},{c}\n")}, 1, ""),
        ({"labels.csv": TRAIN, "test.csv": TRAIN}, 1, ""),
        (
            {"train.csv": TRAIN, "test.csv": rows("{i}\n", "id\n"), "sample_submission.csv": TRAIN},
            0,
            "test.csv is left out: it does not name pictures and their labels",
        ),
        (
            {"train.csv": TRAIN, "test.csv": rows("{i},7\n", "id,width\n")},
            0,
            r"test.csv is left out: it has no column `label`, as .*train.csv has",
        ),
        (
            {"train.csv": TRAIN, "test.csv": rows("{i},\n", "id,label\n")},
            0,
            "test.csv is left out: nothing is in its column `label`",
        ),
        (
            {"train.csv": rows("{i},{c}\n"), "test.csv": rows("{i},1,{c}\n")},
            0,
            "test.csv is left out: it is of another form than .*train.csv",
        ),
        ({"train.csv": TRAIN, "more.csv": TRAIN}, 0, "more.csv is left out: .*train.csv is of the"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "image_folder"])
def test_a_table_for_each_split(kind, tables, splits, said, tmp_path, capsys):
    root = kaggle(tmp_path / "pets", tables)
    flags = [f"--data_dir={tmp_path / 'data'}", "--validation_fraction=0", "--test_fraction=0"]
    place = f"--source_dir={root}"
    if kind == "image_folder":  # The same in an archive, in a folder of their own.
        place = f"--source_dir={shutil.make_archive(tmp_path / 'pets', 'zip', tmp_path, 'pets')}"
    flags += [place, f"--dataset={kind}", "--name=pets"]
    if kind == "csv" and "train.csv" not in tables:
        flags[-2:] = ["--dataset=csv", "--name=pets"]
    result = call(prepare.COMMAND, flags)
    assert re.search(said, capsys.readouterr().err)
    assert result["splits"] == {"train": COUNT, **({"test": COUNT} if splits else {})}
    dataset = open_dataset(tmp_path / "data", "pets")
    for split, shade in [("train", 20), ("test", 5)][: 1 + splits]:
        examples = dataset.builder.as_dataset(split=split, as_supervised=True).as_numpy_iterator()
        assert {(int(image[0, 0, 0]) // shade, int(label)) for image, label in examples} == {
            (index, int(index % 3 == 0)) for index in range(COUNT)
        }
    assert call(prepare.COMMAND, flags)["reused"]


def test_rejects_a_picture_of_two_splits(tmp_path):
    root = kaggle(tmp_path / "pets", {"train.csv": TRAIN, "test.csv": TRAIN})
    shutil.rmtree(root / "test")
    flags = ["--dataset=csv", f"--source_dir={root}", f"--data_dir={tmp_path / 'data'}"]
    with pytest.raises(
        DataError, match=r"test.csv, row \d+: .*png is \w+ \(train\) in train.csv, row"
    ):
        call(prepare.COMMAND, flags)


@pytest.fixture
def parts(folder):
    """The same pictures in two folders, which are no classes, and a table of them all."""
    for index in range(COUNT):
        part = folder.parent / "all" / f"part_{1 + index % 2}"
        part.mkdir(parents=True, exist_ok=True)
        (folder / f"{index}.png").rename(part / f"{index}.png")
    return table(folder, rows("{i},{c}\n", "id,label\n")).rename(
        folder.parent / "all" / "labels.csv"
    )


def test_pictures_in_several_folders(parts):
    assert picture_finder.beside(parts) == parts.parent
    found = file_table.read(parts, parts.parent, None)
    assert found.names("train", "dog") == [f"part_{1 + i % 2}/{i}.png" for i in range(0, COUNT, 3)]
    assert found.damaged == ()


def test_folders_that_are_no_classes_by_the_table_beside_them(parts, capsys):
    with pytest.raises(
        UsageError, match=r"by labels.csv, .* folder part_\d are of 2 .*--data=.*csv"
    ):
        kinds.find(parts.parent)
    parts.write_text(rows("{i},{c},{c}\n", "id,a,b\n"))
    assert kinds.find(parts.parent).dataset == "image_folder"
    assert f"{parts} names these pictures too and is not read" in capsys.readouterr().err
    parts.write_text("id,label\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(COUNT)))
    assert kinds.find(parts.parent).dataset == "image_folder"
    assert capsys.readouterr().err == ""


def test_paths_of_another_machine_and_of_this_one(folder):
    (folder / "a").mkdir()
    (folder / "0.png").rename(folder / "a" / "1.png")
    lines = ["/content/pets/a/1.png,dog\n", f"{folder}/1.png,cat\n"]
    content = "file,label\n" + "".join([*lines, *rows("{i}.png,{c}\n").splitlines(True)[2:]])
    found = file_table.read(table(folder, content), folder, None)
    assert found.names("train", "dog")[0] == "a/1.png"
    assert found.names("train", "cat")[0] == "1.png"
    assert found.damaged == found.left_out() == ()


def test_flags(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = table(folder, rows("{i}.png,{c}\n")).rename(tmp_path / "elsewhere" / "labels.csv")
    flags = ["--dataset=csv", f"--source_file={path}", f"--data_dir={tmp_path}"]
    with pytest.raises(DataError, match=r"names picture files, such as 0\.png: .* --source_dir"):
        call(prepare.COMMAND, flags)
    with pytest.raises(DataError, match="none: no such folder"):
        call(prepare.COMMAND, [*flags, "--source_dir=none"])
    with pytest.raises(UsageError, match="--label_column goes with --dataset=csv"):
        call(
            prepare.COMMAND,
            ["--dataset=image_folder", f"--source_dir={folder}", "--label_column=label"],
        )

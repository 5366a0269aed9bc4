import collections
import json
import re
import shutil

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.preparation.request import Request
from digitline.models import train

from support import call

KINDS = ("png", "bmp", "gif", "jpg")


@pytest.fixture(scope="session")
def grey(few_digits, tmp_path_factory):
    """One folder a digit, four kinds of files, all grey and of one size. Do not change it."""
    root = tmp_path_factory.mktemp("pictures") / "Grey Digits"
    for index, (image, label) in enumerate(zip(*few_digits, strict=True)):
        save(image, root / f"digit {label}" / f"{index:03d}.{KINDS[index % 4]}")
    (root / "digit 3" / "notes.txt").write_text("not a picture")
    (root / "digit 3" / ".hidden.png").write_text("not seen")
    return root


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(image).save(path)


def coloured(index, height, width):
    """A circle (class 0) or bars (class 1) of some colour."""
    rows, columns = np.mgrid[:height, :width]
    circle = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 3) ** 2
    mask = circle if index % 2 == 0 else columns % 8 < 4
    colour = np.random.default_rng(index).integers(60, 256, 3)
    return (mask[..., None] * colour).astype(np.uint8)


@pytest.fixture
def colour(tmp_path):
    """train and test folders of colour pictures of mixed sizes."""
    root = tmp_path / "made" / "shapes"
    for index in range(120):
        split = "test" if index % 6 > 3 else "train"
        kind = ("circle", "stripes")[index % 2]
        image = coloured(index, 24 + index % 5, 30 + index % 7)
        save(image, root / split / kind / f"{index}.png")
    return root


def run(root, folder, *more):
    arguments = ["--dataset=image_folder", f"--source_dir={root}", f"--data_dir={folder}"]
    return call(prepare.COMMAND, [*arguments, *more])


def examples(folder, name, split):
    """Images as bytes and labels, read by TFDS."""
    builder = open_dataset(folder, name).builder
    data = builder.as_dataset(split=split, as_supervised=True).as_numpy_iterator()
    return [(image.tobytes(), int(label)) for image, label in data]


def test_every_kind_of_file_and_a_stratified_cut(grey, few_digits, tmp_path, capsys):
    result = run(grey, tmp_path)
    said = capsys.readouterr().err
    assert "0.1 of each class go to validation, 0.1 to test, by --split_seed=0" in said
    assert {kind["kind"]: kind["first"] for kind in result["left_out"]} == {
        "hidden": ["digit 3/.hidden.png"],
        ".txt files": ["digit 3/notes.txt"],
    }
    assert result["dataset"] == "grey_digits"
    assert result["image_shape"] == [28, 28, 1]
    assert sum(result["splits"].values()) == 300
    assert open_dataset(tmp_path, "grey_digits").label_names == tuple(
        f"digit {number}" for number in range(10)
    )
    found = {split: examples(tmp_path, "grey_digits", split) for split in result["splits"]}
    counts = np.bincount(few_digits[1])
    for split in ("validation", "test"):
        labels = np.bincount([label for _, label in found[split]], minlength=10)
        assert labels.tolist() == [int(count * 0.1 + 0.5) for count in counts]
    contents = collections.Counter(image for each in found.values() for image, _ in each)
    # Three of four kinds of files keep each pixel: those are the digits, each once.
    kept = [image.tobytes() for index, image in enumerate(few_digits[0]) if index % 4 != 3]
    assert all(contents[image] == 1 for image in kept)


def test_the_same_seed_the_same_cut_for_any_number_of_shards(grey, tmp_path):
    one = run(grey, tmp_path / "one", "--num_shards=1")
    five = run(grey, tmp_path / "five", "--num_shards=5")
    other = run(grey, tmp_path / "other", "--split_seed=1")
    assert one["fingerprint"] == five["fingerprint"] != other["fingerprint"]
    tests = [set(examples(tmp_path / each, "grey_digits", "test")) for each in ("one", "five")]
    assert tests[0] == tests[1]
    assert not tests[0] & set(examples(tmp_path / "one", "grey_digits", "train"))
    assert len(open_dataset(tmp_path / "five", "grey_digits").split("train").shards) == 5


def test_mixed_sizes_become_a_square(colour, tmp_path, capsys):
    result = run(colour, tmp_path)
    assert result["image_shape"] == [32, 32, 3]
    assert "24x30 to 28x36 (height x width): made 32x32" in capsys.readouterr().err
    result = run(colour, tmp_path, "--image_size=24x32", "--name=wide")
    assert result["image_shape"] == [24, 32, 3]
    assert result["splits"] == {"train": 72, "validation": 8, "test": 40}
    labels = [label for _, label in examples(tmp_path, "wide", "validation")]
    assert sorted(labels) == [0] * 4 + [1] * 4
    result = run(colour, tmp_path, "--image_size=16", "--channels=1", "--name=grey_shapes")
    assert result["image_shape"] == [16, 16, 1]


def test_digits_are_found_in_pictures_that_are_all_of_one_size(tmp_path, capsys):
    paper = np.full((60, 50), 240, np.uint8)
    paper[5:25, 5:13] = 20  # A stroke in the corner.
    for name in "12":
        for index in range(3):
            save(paper, tmp_path / "scans" / name / f"{index}.png")
    run(tmp_path / "scans", tmp_path / "data", "--digits", "--num_shards=1")
    assert "are 60x50 (height x width): made 28x28 (the digit found)" in capsys.readouterr().err
    for content, _ in examples(tmp_path / "data", "scans", "train"):
        rows = np.frombuffer(content, np.uint8).reshape(28, 28).sum(axis=1, dtype=float)
        assert abs(rows @ np.arange(28) / rows.sum() - 14) < 1
        assert np.ptp(np.flatnonzero(rows)) == 19  # 20 rows, as MNIST's.


def test_colour_pictures_are_trained_on(colour, tmp_path):
    run(colour, tmp_path, "--image_size=28x28", "--validation_fraction=0.2")
    arguments = ["--model=softmax", "--dataset=shapes", "--max_steps=1", "--noreport"]
    where = [f"--data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}"]
    call(train.COMMAND, [*arguments, *where])
    assert json.loads((tmp_path / "run" / "config.json").read_text())["dataset"]["name"] == "shapes"


def test_what_is_odd_is_said_at_the_end(colour, tmp_path):
    shutil.copy(colour / "train" / "circle" / "0.png", colour / "test" / "circle" / "copy.png")
    save(np.zeros((9, 9), np.uint8), colour / "train" / "stripes" / "black.png")
    result = run(colour, tmp_path)
    assert result["class_counts"] == {"train": [36, 37], "validation": [4, 4], "test": [21, 20]}
    warnings = "\n".join(result["warnings"])
    assert re.search(r"more than one split.*: 1 \(\w+ \d+ = test \d+ \(label 0\)\)", warnings)
    assert re.search(r"1 of 122 images are blank .*: \w+ \d+ \(label 1\)", warnings)
    said = prepare.summary(prepare.run(Request(dataset="image_folder", source_dir=colour,
                                               data_dir=tmp_path)))  # fmt: skip
    assert f"warning: {result['warnings'][0]}" in said
    assert f"digitline inspect --dataset=shapes --data_dir={tmp_path} shows more" in said


def test_a_damaged_picture_is_named_or_left_out(grey, tmp_path):
    root = shutil.copytree(grey, tmp_path / "bad")
    bad = root / "digit 0" / "zz.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing of the kind")
    cut_short = next((root / "digit 1").glob("*.png"))
    cut_short.write_bytes(cut_short.read_bytes()[:-60])
    cause = "(not a picture|cannot be read)"
    with pytest.raises(DataError, match=rf"png: {cause}.* --max_corrupt_images=N"):
        run(root, tmp_path / "data")
    with pytest.raises(DataError, match=rf"{cause}.* \(and 1 before it\)"):
        run(root, tmp_path / "data", "--max_corrupt_images=1")
    assert not (tmp_path / "data" / "bad").exists()
    result = prepare.run(
        Request(
            dataset="image_folder",
            source_dir=root,
            data_dir=tmp_path / "data",
            max_corrupt_images=2,
        )
    )
    assert result.corrupt_images == 2
    assert sum(result.splits.values()) == 299
    for path in (bad, cut_short):
        assert str(path) in prepare.text(result)
        assert str(path) in "\n".join(prepare.to_json(result)["corrupt_files"])


def test_rejects_one_name_for_two_folders(grey, colour, tmp_path):
    run(grey, tmp_path, "--name=mine")
    assert run(grey, tmp_path, "--name=mine")["reused"]
    with pytest.raises(DataError, match=r"prepared with another place .* --overwrite"):
        run(colour, tmp_path, "--name=mine", "--image_size=28")
    with pytest.raises(DataError, match="prepared with another split_seed"):
        run(grey, tmp_path, "--name=mine", "--split_seed=4")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--image_size=big"], "--image_size=big: expected HEIGHTxWIDTH"),
        (["--validation_fraction=0.6", "--test_fraction=0.5"], "leave nothing to train on"),
        (["--name=My Digits"], "--name=My Digits: a name begins with a small letter"),
        (["--source=pypi"], "--source=pypi does not go with --dataset=image_folder"),
        (["--num_shards=301"], "--num_shards=301 is more than the 300 pictures"),
        (["--source_file=x.csv"], "needs --source_dir"),
    ],
)
def test_rejects_wrong_flags(flags, message, grey, tmp_path):
    with pytest.raises(UsageError, match=message):
        run(grey, tmp_path, *flags)


def test_a_dataset_among_its_own_pictures(colour):
    with pytest.raises(UsageError, match="among its own pictures"):
        run(colour, colour.parent, "--image_size=28")
    with pytest.raises(UsageError, match="among its own pictures"):
        run(colour, colour / "datasets", "--image_size=28")


def test_a_fraction_of_a_split_that_is_there(colour, tmp_path):
    with pytest.raises(UsageError, match="the source has a test split of its own"):
        run(colour, tmp_path, "--image_size=28", "--test_fraction=0.1")


def test_grey_pictures_stored_in_colour_are_said(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(20):
        grey = rng.integers(0, 250, (8, 8, 1)).astype(np.uint8)
        save(
            grey + np.array([0, 1, 2], np.uint8), tmp_path / "a" / "xy"[index % 2] / f"{index}.png"
        )
    said = "all 20 images are grey, though in colour: --channels=1 suffices"
    assert said in run(tmp_path / "a", tmp_path / "data")["warnings"]
    save(np.full((8, 8, 3), (9, 9, 12), np.uint8), tmp_path / "a" / "x" / "0.png")
    assert said not in run(tmp_path / "a", tmp_path / "data", "--overwrite")["warnings"]


def test_pictures_of_12_bits_in_16_are_said(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(20):
        levels = rng.integers(0, 4096, (8, 8)).astype(np.uint16)
        save(levels, tmp_path / "a" / "xy"[index % 2] / f"{index}.png")
    (warning,) = run(tmp_path / "a", tmp_path / "data")["warnings"]
    assert warning.startswith("all 20 images are nearly black: no pixel is over an eighth of white")

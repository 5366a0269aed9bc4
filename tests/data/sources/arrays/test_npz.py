import os

import numpy as np
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.base.pictures import decode
from digitline.base.pictures.config import PictureConfig
from digitline.data import prepare
from digitline.data.dataset import open_dataset
from digitline.data.pipeline.records import load
from digitline.data.sources.arrays import npz

from support import call


@pytest.fixture
def arrays(few_digits):
    images, labels = few_digits
    return {"x_train": images[:200], "y_train": labels[:200], "x_test": images[200:],
            "y_test": labels[200:]}  # fmt: skip


def save(folder, **arrays):
    np.savez(folder / "digits.npz", **arrays)
    return folder / "digits.npz"


def read(path):
    return npz.read(path, lambda shapes: PictureConfig(shapes["train"]))


def run(folder, path, *more):
    return call(
        prepare.COMMAND,
        ["--dataset=npz", f"--source_file={path}", f"--data_dir={folder / 'data'}", *more],
    )


def loaded(folder, name, split):
    images, labels = load(open_dataset(folder / "data", name).split(split))
    return images.numpy(), labels.numpy()


def test_arrays_in_keras_form_are_prepared_unchanged(arrays, tmp_path):
    path = save(tmp_path, **arrays)
    result = run(tmp_path, path, "--validation_fraction=0")
    assert result["dataset"] == "digits"
    assert result["splits"] == {"train": 200, "test": 100}
    images, labels = loaded(tmp_path, "digits", "test")
    np.testing.assert_array_equal(images[..., 0], arrays["x_test"])
    np.testing.assert_array_equal(labels, arrays["y_test"])
    assert run(tmp_path, path, "--validation_fraction=0")["reused"]


def test_the_validation_split_of_sorted_images_has_all_classes(arrays, tmp_path):
    order = np.argsort(arrays["y_train"], kind="stable")
    changed = {name: arrays[name][order] for name in ("x_train", "y_train")}
    run(tmp_path, save(tmp_path, **{**arrays, **changed}))
    assert open_dataset(tmp_path / "data", "digits").default_splits() == ("train", "validation")
    labels = loaded(tmp_path, "digits", "validation")[1]
    shares = np.floor(np.bincount(arrays["y_train"]) * 0.1 + 0.5)
    np.testing.assert_array_equal(np.bincount(labels), shares)
    assert len(loaded(tmp_path, "digits", "train")[1]) + len(labels) == 200
    assert len(loaded(tmp_path, "digits", "test")[1]) == 100


def test_rejects_a_file_that_changed_since_it_was_prepared(arrays, tmp_path):
    path = save(tmp_path, **arrays)
    first = run(tmp_path, path)
    save(tmp_path, **{**arrays, "y_train": (arrays["y_train"] + 1) % 10})
    os.utime(path, ns=(1, 1))  # Whatever the clock's grain.
    with pytest.raises(DataError, match=r"digits\.npz has changed since .*digits.* --overwrite"):
        run(tmp_path, path)
    assert run(tmp_path, path, "--overwrite")["fingerprint"] != first["fingerprint"]
    assert run(tmp_path, path)["reused"]


def test_rejects_the_name_of_a_public_dataset(arrays, tmp_path):
    path = save(tmp_path, **arrays).rename(tmp_path / "mnist.npz")
    with pytest.raises(UsageError, match=r"would be called mnist, as a public one is; .*--name"):
        run(tmp_path, path)
    assert run(tmp_path, path, "--name=mine")["dataset"] == "mine"


def test_splits_without_images_are_left_out(arrays, tmp_path):
    empty = {"x_test": arrays["x_test"][:0], "y_test": np.array([])}
    result = run(tmp_path, save(tmp_path, **{**arrays, **empty}))
    assert set(result["splits"]) == {"train", "validation", "test"}  # A test split is cut, then.
    assert sum(result["splits"].values()) == 200


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float32])
def test_pixels_of_0_and_1_are_scaled_to_255(kind, arrays, tmp_path, capsys):
    for name in ("x_train", "x_test"):
        arrays[name] = (arrays[name] > 127).astype(kind)
    splits = read(save(tmp_path, **arrays)).splits
    np.testing.assert_array_equal(splits["train"].images[..., 0], arrays["x_train"] * 255)
    assert "digits.npz: pixels from 0 to 1, multiplied by 255" in capsys.readouterr().err


def test_one_nearly_black_split_stays_as_it_is_and_is_said(arrays, tmp_path, capsys):
    dark = (arrays["x_test"] > 127).astype(np.uint8)
    splits = read(save(tmp_path, **{**arrays, "x_test": dark})).splits
    np.testing.assert_array_equal(splits["test"].images[..., 0], dark)
    assert "pixels of x_test are from 0 to 1, those of x_train from" in capsys.readouterr().err


def test_one_set_is_split_by_class(few_digits, tmp_path):
    images, labels = few_digits
    path = save(tmp_path, images=images, labels=labels)
    result = run(tmp_path, path, "--test_fraction=0.2", "--validation_fraction=0.1")
    assert sum(result["splits"].values()) == 300
    assert open_dataset(tmp_path / "data", "digits").pictures.scale == 1
    whole, part = np.bincount(labels), np.bincount(loaded(tmp_path, "digits", "test")[1])
    np.testing.assert_array_equal(part, np.floor(whole * 0.2 + 0.5))
    with pytest.raises(DataError, match="prepared with another validation_fraction"):
        run(tmp_path, path)


def test_other_types_and_shapes(arrays, tmp_path):
    colour = np.repeat(arrays["x_train"][..., np.newaxis], 3, axis=3)
    one_hot = np.eye(10)[arrays["y_train"]]
    for name, images in (
        ("fractions", colour / 255),
        ("int64", colour.astype(np.int64)),
        ("float32", colour.astype(np.float32)),
    ):
        path = save(tmp_path, images=images, labels=one_hot, label_names=list("abcdefghij"))
        more = ("--test_fraction=0", "--validation_fraction=0", f"--name={name}")
        assert run(tmp_path, path, *more)["image_shape"] == [28, 28, 3]
        found = loaded(tmp_path, name, "train")
        np.testing.assert_array_equal(found[0], colour)
        np.testing.assert_array_equal(found[1], arrays["y_train"])
        assert open_dataset(tmp_path / "data", name).label_names == tuple("abcdefghij")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": None}, r"expected arrays x_train and y_train .* it holds x_test, y_test"),
        ({"y_test": None}, "holds x_test, but no labels of the test split"),
        ({"y_train": np.zeros(7)}, "x_train holds 200 images, but .*y_train 7 labels"),
        (
            {"x_train": np.zeros((200, 785))},
            r"expected images \[N, H, W\] .* got float64 \[200, 785\]",
        ),
        ({"x_train": np.full((200, 28, 28), -1)}, "expected pixels from 0 to 255"),
        ({"x_train": np.full((200, 28, 28), "a")}, "expected numbers, got <U1"),
        ({"x_test": np.zeros((100, 8, 8))}, r"the test images are \[8, 8, 1\], the training"),
        ({"y_train": np.full(200, 0.5)}, "expected class numbers from 0"),
        ({"y_train": np.r_[np.zeros(199), np.inf]}, "y_train: .* got inf at index 199"),
        ({"y_train": np.array([["a", "b"]] * 200)}, "y_train: expected class numbers .* got <U1"),
        ({"y_train": np.int64(3)}, r"y_train: expected class numbers \[N\], got int64 \[\]"),
        (
            {"y_train": np.r_[np.zeros(199), 1e6]},
            "label 1,000,000 would make 1,000,001 classes of 300",
        ),
        ({"x_train": np.zeros((0, 28, 28)), "y_train": []}, "x_train and y_train hold no image"),
        ({"label_names": ["a"]}, "1 label_names, but labels up to 9"),
        ({"x_train": np.array([{}] * 200)}, "x_train: cannot be read.*astype"),
    ],
)
def test_rejects_arrays_of_another_form(change, message, arrays, tmp_path):
    changed = {name: each for name, each in {**arrays, **change}.items() if each is not None}
    if "x_train" in change and change["x_train"] is None:
        del changed["y_train"]
    with pytest.raises(DataError, match=message):
        run(tmp_path, save(tmp_path, **changed))
    assert not list((tmp_path / "data").glob("digits/1.0.0"))


def test_rejects_files_that_are_not_npz(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and so on")
    np.save(tmp_path / "b.npz.npy", np.zeros(3))
    (tmp_path / "b.npz.npy").rename(tmp_path / "b.npz")
    for name, message in (
        ("a", "cannot be read as NumPy"), ("b", "holds one array"), ("c", "no such file")
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            run(tmp_path, tmp_path / f"{name}.npz")
    with pytest.raises(UsageError, match="--beam_runner does not go with --dataset=npz"):
        run(tmp_path, tmp_path / "a.npz", "--beam_runner=FlinkRunner")
    with pytest.raises(UsageError, match="needs --source_file"):
        call(prepare.COMMAND, ["--dataset=npz"])


def test_image_size_does_what_it_does_with_pictures(arrays, tmp_path):
    path = save(tmp_path, **{**arrays, "x_test": arrays["x_test"][:, ::2]})
    with pytest.raises(DataError, match=r"test images are .* make them equal with --image_size"):
        run(tmp_path, path)
    result = run(tmp_path, path, "--image_size=14x20", "--channels=3", "--validation_fraction=0")
    assert result["image_shape"] == [14, 20, 3]
    config = PictureConfig((14, 20, 3), "pad")
    expected = [decode.made(image[..., np.newaxis], config, "x") for image in arrays["x_train"]]
    np.testing.assert_array_equal(loaded(tmp_path, "digits", "train")[0], expected)


def test_an_image_without_a_label_is_left_out_and_counted(few_digits, tmp_path):
    images, labels = few_digits
    path = save(tmp_path, images=images, labels=np.where(np.arange(300) == 5, np.nan, labels))
    with pytest.raises(DataError, match=r"index 5: it has no label: NaN; .*--max_corrupt_images"):
        run(tmp_path, path)
    result = run(tmp_path, path, "--max_corrupt_images=1")
    assert result["corrupt_images"] == 1
    assert sum(result["splits"].values()) == 299

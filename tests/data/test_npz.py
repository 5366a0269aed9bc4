import numpy as np
import pytest

from digitline.base import command
from digitline.base.errors import DataError, UsageError
from digitline.data import pipeline, prepare
from digitline.data.dataset import open_dataset

from support import digitline


@pytest.fixture
def arrays(few_digits):
    images, labels = few_digits
    return {"x_train": images[:200], "y_train": labels[:200], "x_test": images[200:],
            "y_test": labels[200:]}  # fmt: skip


def save(folder, **arrays):
    np.savez(folder / "digits.npz", **arrays)
    return folder / "digits.npz"


def run(folder, path, *more):
    return command.call(
        prepare.COMMAND,
        ["--dataset=npz", f"--source_file={path}", f"--data_dir={folder / 'data'}", *more],
    )


def loaded(folder, name, split):
    images, labels = pipeline.load(open_dataset(folder / "data", name), split)
    return images.numpy(), labels.numpy()


def test_keras_form_comes_back_as_it_was(arrays, tmp_path):
    result = run(tmp_path, save(tmp_path, **arrays))
    assert result["dataset"] == "digits"
    assert result["splits"] == {"train": 200, "test": 100}
    images, labels = loaded(tmp_path, "digits", "test")
    np.testing.assert_array_equal(images[..., 0], arrays["x_test"])
    np.testing.assert_array_equal(labels, arrays["y_test"])
    assert run(tmp_path, tmp_path / "digits.npz")["reused"]


def test_one_set_is_cut_by_class(few_digits, tmp_path):
    images, labels = few_digits
    path = save(tmp_path, images=images, labels=labels)
    result = run(tmp_path, path, "--test_fraction=0.2", "--validation_fraction=0.1")
    assert sum(result["splits"].values()) == 300
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
        ({"y_test": None}, "holds x_test, but no y_test"),
        ({"y_train": np.zeros(7)}, "x_train holds 200 images, but y_train 7 labels"),
        ({"x_train": np.zeros((200, 784))}, r"expected images \[N, H, W\] .* got \[200, 784\]"),
        ({"x_train": np.full((200, 28, 28), -1)}, "expected pixels from 0 to 255"),
        ({"x_train": np.full((200, 28, 28), "a")}, "expected numbers, got <U1"),
        ({"x_test": np.zeros((100, 8, 8))}, r"the test images are \[8, 8, 1\], the training"),
        ({"y_train": np.full(200, 0.5)}, "expected class numbers from 0"),
        ({"label_names": ["a"]}, "1 label_names, but labels up to 9"),
        ({"x_train": np.array([{}] * 200)}, "x_train: cannot be read"),
    ],
)
def test_what_is_not_of_the_form(change, message, arrays, tmp_path):
    changed = {name: each for name, each in {**arrays, **change}.items() if each is not None}
    if "x_train" in change and change["x_train"] is None:
        del changed["y_train"]
    with pytest.raises(DataError, match=message):
        run(tmp_path, save(tmp_path, **changed))
    assert not list((tmp_path / "data").glob("digits/1.0.0"))


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and so on")
    np.save(tmp_path / "b.npz.npy", np.zeros(3))
    (tmp_path / "b.npz.npy").rename(tmp_path / "b.npz")
    for name, message in (
        ("a", "no NumPy file"), ("b", "holds one array"), ("c", "no such file")
    ):  # fmt: skip
        with pytest.raises(DataError, match=message):
            run(tmp_path, tmp_path / f"{name}.npz")
    with pytest.raises(UsageError, match="--image_size does not go with --dataset=npz"):
        run(tmp_path, tmp_path / "a.npz", "--image_size=8")
    with pytest.raises(UsageError, match="needs --source_file"):
        command.call(prepare.COMMAND, ["--dataset=npz"])


def test_train_takes_the_file(arrays, tmp_path):
    path = save(tmp_path, **arrays)
    for _ in range(2):  # The second time it is prepared already.
        done = digitline(
            "train", f"--data={path}", "--model=softmax", "--epochs=2", "--batch_size=32",
            f"--data_dir={tmp_path / 'data'}", f"--workdir={tmp_path / 'run'}", "--overwrite",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "softmax (7,850 parameters) on digits" in done.stdout
    done = digitline("train", "--data=digits.txt", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected an .npz file, a .csv file or a folder of pictures" in done.stderr

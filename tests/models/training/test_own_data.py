import json
import os

import numpy as np
import PIL.Image
import pytest

from digitline.base.errors import DataError, UsageError
from digitline.data import prepare
from digitline.data.dataset import open_dataset
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
    assert (
        f"{path} has changed since it was prepared: preparing it again" in capsys.readouterr().err
    )
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


def test_what_prepare_was_asked_for_in_another_way_is_not_replaced(tmp_path):
    path = save(tmp_path / "toy.npz")
    call(
        prepare.COMMAND,
        ["--dataset=npz", f"--source_file={path}", f"--data_dir={tmp_path / 'data'}",
         "--test_fraction=0.3"],
    )  # fmt: skip
    before = prepared(tmp_path, "toy").fingerprint
    save(path, classes=3)
    with pytest.raises(DataError, match="prepared with another test_fraction") as caught:
        run(tmp_path, path, "--overwrite")
    assert prepared(tmp_path, "toy").fingerprint == before
    assert f"prepare --dataset=npz --source_file={path} --data_dir=" in str(caught.value)


def test_two_files_of_one_name_and_flags_of_prepare(tmp_path):
    run(tmp_path, save(tmp_path / "toy.npz"))
    other = save(tmp_path / "other" / "toy.npz")
    with pytest.raises(DataError, match="prepared with another place") as caught:
        run(tmp_path, other, "--overwrite")
    assert f"digitline prepare --dataset=npz --source_file={other}" in str(caught.value)
    assert "then: digitline train --dataset=NAME" in str(caught.value)
    with pytest.raises(DataError, match=r"no such file$"):  # No flag would help.
        run(tmp_path, tmp_path / "none.npz")
    with pytest.raises(UsageError, match=r"expected an \.npz file, a \.csv file or a folder"):
        run(tmp_path, tmp_path / "digits.txt")


def test_a_public_name_is_neither_made_nor_replaced(tmp_path):
    path = save(tmp_path / "mnist.npz")
    for more in ((), ("--overwrite",)):
        with pytest.raises(UsageError, match=r"would be called mnist.*prepare --dataset=npz"):
            run(tmp_path, path, *more)
    assert not (tmp_path / "data").exists()


def test_data_and_a_dataset_are_one_too_many(tmp_path):
    path = save(tmp_path / "toy.npz")
    for name in ("other", "mnist"):  # That is the default, but here it is asked for.
        with pytest.raises(UsageError, match=f"and --dataset={name}: give one of them"):
            run(tmp_path, path, f"--dataset={name}")
    run(tmp_path, path)


def test_rejects_a_dataset_of_one_class(tmp_path):
    with pytest.raises(UsageError, match=r"toy in .* has only one class \(0\): .*another class"):
        run(tmp_path, save(tmp_path / "toy.npz", classes=1))
    assert not (tmp_path / "run").exists()

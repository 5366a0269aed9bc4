import errno
import os

import pytest

from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.models.training.checkpoints import Checkpoints


@pytest.fixture
def value():
    return tf.Variable([0.0, 0.0])


def fill(folder, value, steps, count=3):
    checkpoints = Checkpoints(folder, "ckpt", count, value=value)
    for step in steps:
        value.assign([step, step])
        checkpoints.save(step, {"score": step / 10})
    return checkpoints


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_the_newest_is_restored_and_the_oldest_are_removed(value, tmp_path):
    fill(tmp_path, value, (9, 10, 100))
    again = tf.Variable([7.0, 7.0])
    checkpoints = Checkpoints(tmp_path, "ckpt", 2, value=again)
    record = checkpoints.restore()
    assert (record["step"], record["score"]) == (100, 10)
    assert again.numpy().tolist() == [100, 100]

    def names():
        return {path.name.partition(".")[0] for path in tmp_path.iterdir()}

    assert names() == {"ckpt-10", "ckpt-100"}  # As after a kill between writing and removing.
    checkpoints.save(101)
    assert names() == {"ckpt-100", "ckpt-101"}
    assert Checkpoints(tmp_path / "none", "ckpt", 2, value=again).restore() is None


@pytest.mark.parametrize("part", [".index", ".data-00000-of-00001", ".json"])
def test_a_damaged_one_is_named_and_the_one_before_is_used(part, value, tmp_path, capsys):
    fill(tmp_path, value, (1, 2, 3))
    path = tmp_path / f"ckpt-3{part}"
    if part == ".json":
        path.write_text("{")
    else:
        flip(path)
    again = tf.Variable([7.0, 7.0])
    checkpoints = Checkpoints(tmp_path, "ckpt", 3, value=again)
    assert checkpoints.restore()["step"] == 2
    assert again.numpy().tolist() == [2, 2]
    said = capsys.readouterr().err
    assert f"the checkpoint {tmp_path}/ckpt-3 is damaged" in said
    assert "using the checkpoint before it, of step 2" in said
    assert checkpoints.record()["step"] == 2


def test_damaged_ones_do_not_push_out_the_good_one(value, tmp_path):
    fill(tmp_path, value, (200, 300))
    flip(tmp_path / "ckpt-300.index")
    checkpoints = Checkpoints(tmp_path, "ckpt", 1, value=value)
    assert checkpoints.restore()["step"] == 200
    checkpoints.save(210)
    assert Checkpoints(tmp_path, "ckpt", 1, value=value).restore()["step"] == 210


def test_says_that_all_are_damaged(value, tmp_path):
    fill(tmp_path, value, (1, 2))
    for step in (1, 2):
        (tmp_path / f"ckpt-{step}.index").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"ckpt-2 is damaged, and there is no other; .* --overwrite"
    ):
        Checkpoints(tmp_path, "ckpt", 2, value=value).restore()


def test_an_unfinished_one_is_removed(value, tmp_path):
    fill(tmp_path, value, (1, 2))
    (tmp_path / "ckpt-2.json").unlink()  # Killed before the record was written.
    (tmp_path / "best-5.index").write_bytes(b"another's")
    checkpoints = Checkpoints(tmp_path, "ckpt", 2, value=value)
    assert checkpoints.restore()["step"] == 1
    assert not list(tmp_path.glob("ckpt-2*"))
    assert (tmp_path / "best-5.index").exists()


def test_rejects_one_of_another_network(value, tmp_path):
    fill(tmp_path, value, (1,))
    with pytest.raises(UserError, match="does not fit"):
        Checkpoints(tmp_path, "ckpt", 2, value=tf.Variable([0.0]), more=value).restore()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_one_that_cannot_be_opened_is_not_damaged(number, value, tmp_path, monkeypatch):
    """Else a run would lose it for want of descriptors."""
    fill(tmp_path, value, (1, 2))

    def refuse(path, *_):
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match=os.strerror(number)):
            Checkpoints(tmp_path, "ckpt", 2, value=value).restore()
    assert Checkpoints(tmp_path, "ckpt", 2, value=value).restore()["step"] == 2


def test_the_folder_of_a_run_that_was_removed_is_not_made_again(value, tmp_path):
    checkpoints = Checkpoints(tmp_path / "run" / "checkpoints", "ckpt", 2, value=value)
    with pytest.raises(FileNotFoundError):
        checkpoints.save(1)
    assert not (tmp_path / "run").exists()

import pytest

from digitline.base.errors import UserError
from digitline.export import publish


def stage(staged, *kinds):
    for kind in kinds:
        (staged / kind).mkdir(parents=True)
        (staged / kind / "file").write_text("whole")


def test_versions_count_up_over_all_kinds(tmp_path):
    assert publish.next_version(tmp_path, "m") == 1
    (tmp_path / "tflite" / "m" / "7").mkdir(parents=True)
    (tmp_path / "saved_model" / "m" / "00000003").mkdir(parents=True)
    (tmp_path / "saved_model" / "m" / "notes").mkdir()
    (tmp_path / "saved_model" / "other" / "40").mkdir(parents=True)
    assert publish.next_version(tmp_path, "m") == 8


KINDS = ("saved_model", "tflite")


def test_publishing_moves_whole_folders(tmp_path):
    with publish.staging(tmp_path) as staged:
        stage(staged, *KINDS)
        found = publish.targets(tmp_path, "m", 2, KINDS)
        publish.publish(staged, found)
    assert found == {kind: tmp_path / kind / "m" / "2" for kind in KINDS}
    for path in found.values():
        assert (path / "file").read_text() == "whole"
    assert not (tmp_path / ".staging").exists()


def test_a_version_that_is_there_is_never_changed(tmp_path):
    (tmp_path / "tflite" / "m" / "2").mkdir(parents=True)
    with pytest.raises(UserError, match="is there already"):
        publish.targets(tmp_path, "m", 2, KINDS)


def test_if_one_kind_cannot_appear_none_does(tmp_path):
    with publish.staging(tmp_path) as staged:
        stage(staged, *KINDS)
        found = publish.targets(tmp_path, "m", 2, KINDS)
        found["saved_model"].mkdir(parents=True)
        (found["saved_model"] / "in the way").touch()
        with pytest.raises(OSError, match="not empty"):
            publish.publish(staged, found)
    assert not found["tflite"].exists()


def test_leftovers_of_a_killed_export_are_removed(tmp_path):
    (tmp_path / ".staging" / "saved_model").mkdir(parents=True)
    with publish.staging(tmp_path) as staged:
        assert list(staged.iterdir()) == []


def test_two_exports_at_once_are_refused(tmp_path):
    with (
        publish.staging(tmp_path),
        pytest.raises(UserError, match="another process is exporting in"),
        publish.staging(tmp_path),
    ):
        pass

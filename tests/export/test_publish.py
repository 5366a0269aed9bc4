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


def test_publishing_moves_whole_folders(tmp_path):
    with publish.staging(tmp_path) as staged:
        stage(staged, "saved_model", "tflite")
        found = publish.publish(staged, tmp_path, "m", 2, ("saved_model", "tflite"))
    assert found == {kind: tmp_path / kind / "m" / "2" for kind in ("saved_model", "tflite")}
    for path in found.values():
        assert (path / "file").read_text() == "whole"
    assert not (tmp_path / ".staging").exists()


def test_a_version_that_is_there_is_never_changed(tmp_path):
    (tmp_path / "tflite" / "m" / "2").mkdir(parents=True)
    with publish.staging(tmp_path) as staged:
        stage(staged, "saved_model", "tflite")
        with pytest.raises(UserError, match="is there already"):
            publish.publish(staged, tmp_path, "m", 2, ("saved_model", "tflite"))
    assert not (tmp_path / "saved_model").exists()


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

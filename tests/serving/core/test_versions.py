import pytest

from digitline.serving.core import versions


def folder(base, name, file="saved_model.pb"):
    path = base / name
    path.mkdir(parents=True)
    if file:
        (path / file).touch()
    return path


def test_folders_with_a_model_and_a_number_for_a_name_are_versions(tmp_path):
    for name in ("1", "00000123", "7"):
        folder(tmp_path, name)
    folder(tmp_path, "8", "model.tflite")
    folder(tmp_path, "9", "saved_model.pbtxt")
    for name in (".10", "11.tmp", "-12", "v13", "1e3", "٣", "99999999999999999999"):
        folder(tmp_path, name)
    (tmp_path / "14").touch()
    found = versions.find(tmp_path)
    assert {number: path.name for number, path in found.versions.items()} == {
        1: "1",
        7: "7",
        8: "8",
        9: "9",
        123: "00000123",
    }
    assert found.notes == ()


def test_a_folder_that_holds_no_model_yet_is_none_and_noted(tmp_path):
    folder(tmp_path, "1")
    (folder(tmp_path, "2", file=None) / "variables").mkdir()
    found = versions.find(tmp_path)
    assert list(found.versions) == [1]
    assert len(found.notes) == 1
    assert str(tmp_path / "2") in found.notes[0]
    assert "saved_model.pb" in found.notes[0]


def test_of_two_names_for_one_number_the_plain_one_counts(tmp_path):
    for name in ("001", "1"):
        folder(tmp_path, name)
    found = versions.find(tmp_path)
    assert found.versions == {1: tmp_path / "1"}
    assert "Duplicate version directories detected" in found.notes[0]
    assert str(tmp_path / "001") in found.notes[0]


def test_a_base_path_that_is_not_there_is_an_error_and_no_empty_list(tmp_path):
    with pytest.raises(FileNotFoundError):
        versions.find(tmp_path / "gone")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (versions.Latest(), [10]),
        (versions.Latest(2), [9, 10]),
        (versions.Latest(5), [1, 9, 10]),
        (versions.All(), [1, 9, 10]),
        (versions.Specific((1, 10)), [1, 10]),
        (versions.Specific(()), []),
    ],
)
def test_policies_take_versions_by_their_numbers(tmp_path, policy, expected):
    for name in ("9", "10", "1"):
        folder(tmp_path, name)
    found = versions.aspired(versions.find(tmp_path), policy)
    assert list(found.versions) == expected
    assert all(path == tmp_path / str(number) for number, path in found.versions.items())


def test_a_specific_version_that_is_not_there_is_noted(tmp_path):
    folder(tmp_path, "1")
    found = versions.aspired(versions.find(tmp_path), versions.Specific((1, 4)))
    assert list(found.versions) == [1]
    assert "Version 4" in found.notes[0]
    assert "was not found in the file system" in found.notes[0]

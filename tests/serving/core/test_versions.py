import pytest

from digitline.serving.core import config, versions


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
    listing = versions.find(tmp_path, config.TENSORFLOW)
    assert {number: path.name for number, path in listing.versions.items()} == {
        1: "1",
        7: "7",
        8: "8",
        9: "9",
        123: "00000123",
    }
    assert listing.notes == ()


def test_a_folder_without_a_model_is_noted_and_is_not_a_version(tmp_path):
    folder(tmp_path, "1")
    (folder(tmp_path, "2", file=None) / "variables").mkdir()
    listing = versions.find(tmp_path, config.TENSORFLOW)
    assert list(listing.versions) == [1]
    assert len(listing.notes) == 1
    assert str(tmp_path / "2") in listing.notes[0]
    assert "saved_model.pb" in listing.notes[0]


def test_of_two_names_for_one_number_the_plain_one_counts(tmp_path):
    for name in ("001", "1"):
        folder(tmp_path, name)
    listing = versions.find(tmp_path, config.TENSORFLOW)
    assert listing.versions == {1: tmp_path / "1"}
    assert "Duplicate version directories detected" in listing.notes[0]
    assert str(tmp_path / "001") in listing.notes[0]


def test_rejects_a_base_path_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        versions.find(tmp_path / "gone", config.TENSORFLOW)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (config.Latest(), [10]),
        (config.Latest(2), [9, 10]),
        (config.Latest(5), [1, 9, 10]),
        (config.All(), [1, 9, 10]),
        (config.Specific((1, 10)), [1, 10]),
        (config.Specific(()), []),
    ],
)
def test_policies_select_versions_by_number(tmp_path, policy, expected):
    for name in ("9", "10", "1"):
        folder(tmp_path, name)
    listing = versions.select(versions.find(tmp_path, config.TENSORFLOW), policy)
    assert list(listing.versions) == expected
    assert all(path == tmp_path / str(number) for number, path in listing.versions.items())


def test_a_specific_version_that_is_not_there_is_noted(tmp_path):
    folder(tmp_path, "1")
    listing = versions.select(versions.find(tmp_path, config.TENSORFLOW), config.Specific((1, 4)))
    assert list(listing.versions) == [1]
    assert "Version 4" in listing.notes[0]
    assert "was not found in the file system" in listing.notes[0]

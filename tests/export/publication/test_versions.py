import shutil

import pytest

from digitline.base import command as commands
from digitline.base.errors import UsageError, UserError, VerificationError
from digitline.export import exporter
from digitline.export.publication import publish, versions

from support import call, export


def there(export_dir, kind="saved_model", name="m"):
    return sorted(path.name for path in (export_dir / kind / name).iterdir())


MODELS = {"saved_model": "saved_model.pb", "tflite": "model.tflite"}


def version(export_dir, number, *kinds):
    for kind in kinds or MODELS:
        folder = export_dir / kind / "m" / str(number)
        folder.mkdir(parents=True)
        (folder / MODELS[kind]).write_text(str(number))


def publish_as(export_dir, text):
    """`1st 2t`: version 1 as SavedModel and TFLite, 2 as TFLite only."""
    for word in text.split():
        kinds = [kind for kind in MODELS if kind[0] in word]
        version(export_dir, int(word.rstrip("st")), *kinds)


def published_as(export_dir):
    folders = publish.published(export_dir, "m")
    return " ".join(
        str(number) + "".join(kind[0] for kind in MODELS if export_dir / kind / "m" / str(number)
        in folders[number])
        for number in sorted(folders)
    )  # fmt: skip


def test_a_roll_back_takes_the_newest_away_and_its_number_is_not_used_again(tmp_path):
    publish_as(tmp_path, "1st 9st 10st")
    newest = {"saved_model": 9, "tflite": 9}
    assert versions.roll_back(tmp_path, "m") == versions.RolledBack("m", 10, 9, newest)
    assert published_as(tmp_path) == "1st 9st"
    assert (tmp_path / ".rolled_back/saved_model/m/10/saved_model.pb").read_text() == "10"
    assert publish.next_version(tmp_path, "m") == 11
    assert versions.roll_back(tmp_path, "m").version == 1
    with pytest.raises(UserError, match=r"m in .* has 1 version: nothing to roll back to"):
        versions.roll_back(tmp_path, "m")


@pytest.mark.parametrize(
    ("before", "after", "newest"),
    [
        ("1st 2t 3t", "1st 2t", "the newest is saved_model 1, tflite 2"),
        ("1st 2t", "1st", "the newest is 1"),
        ("1t 2s 3s", "1t 2s", "the newest is saved_model 2, tflite 1"),
        ("1st 2s 3t", "1st 2s", "the newest is saved_model 2, tflite 1"),
        # As a kill leaves it: the SavedModel of 3 is away already.
        ("1st 2st 3t", "1st 2st", "the newest is 2"),
    ],
)
def test_a_roll_back_says_what_answers_in_each_format(before, after, newest, tmp_path):
    publish_as(tmp_path, before)
    said = exporter.text(versions.roll_back(tmp_path, "m"))
    assert said.endswith(f"is taken away, {newest}")
    assert published_as(tmp_path) == after


@pytest.mark.parametrize(
    ("there", "only"),
    [("1t 2st", "a SavedModel"), ("1t 2t 3s", "a SavedModel"), ("1s 2s 3st", "TFLite files")],
)
def test_a_roll_back_never_takes_the_only_model_of_a_format(there, only, tmp_path):
    publish_as(tmp_path, there)
    message = f"is the only one of m in .* with {only}: nothing to roll back to"
    with pytest.raises(UserError, match=message):
        versions.roll_back(tmp_path, "m")
    assert published_as(tmp_path) == there


def test_an_empty_folder_is_no_model_to_roll_back_to(tmp_path):
    publish_as(tmp_path, "2st")
    (tmp_path / "saved_model/m/1").mkdir()
    with pytest.raises(UserError, match="is the only one"):
        versions.roll_back(tmp_path, "m")


@pytest.mark.parametrize(
    ("before", "keep", "after"),
    [
        ("1st 2st 10st", 2, "2st 10st"),
        ("1st 2t 3t", 1, "1st 3t"),
        ("1st 2st 3t 4t 5t", 2, "1st 2st 4t 5t"),
        ("1s 2s 3t", 1, "2s 3t"),
        ("1t 2st", 1, "2st"),
        ("1st 2st", 5, "1st 2st"),
    ],
)
def test_the_newest_of_each_format_are_kept(before, keep, after, tmp_path):
    publish_as(tmp_path, before)
    gone = [int(word.rstrip("st")) for word in before.split() if word not in after.split()]
    assert versions.keep_newest(tmp_path, "m", keep) == gone
    assert published_as(tmp_path) == after
    assert versions.keep_newest(tmp_path, "m", keep) == []


def test_what_is_not_a_model_is_neither_kept_nor_deleted(tmp_path):
    publish_as(tmp_path, "1st 2st")
    base = tmp_path / "saved_model/m"
    (base / "3").mkdir()  # Someone copies a version there.
    (base / "notes").mkdir()
    (base / ".digitline-tmp-1").mkdir()  # Of a killed export.
    (base / ".digitline-tmp-1/file").touch()
    with publish.held(tmp_path):
        assert versions.keep_newest(tmp_path, "m", 1) == [1]
    assert there(tmp_path) == ["2", "3", "notes"]


def test_the_commands_keep_and_roll_back_versions(well_trained, tmp_path):
    publish_as(tmp_path, "1t 2t")
    result = export(well_trained, tmp_path, "--model_name=m", "--keep_versions=2")
    assert (result["version"], result["deleted_versions"]) == (3, [1])
    assert there(tmp_path, "tflite") == ["2", "3"]
    rolled_back = commands.call(
        exporter.COMMAND, ["--rollback", "--model_name=m", f"--export_dir={tmp_path}"]
    )
    assert exporter.text(rolled_back) == "m: version 3 is taken away, the newest is 2"
    assert there(tmp_path, "tflite") == ["2"]
    for flags, message in (
        (["--rollback"], "--rollback needs --model_name"),
        (["--rollback", "--model_name=m", "--export_dir=none"], "no such folder"),
    ):
        with pytest.raises(UsageError, match=message):
            call(exporter.COMMAND, flags)


def test_a_worse_model_than_the_published_one_is_refused(trained, well_trained, exported, tmp_path):
    shutil.copytree(exported.saved_model, tmp_path / "saved_model/lenet5/1")
    with pytest.raises(
        VerificationError, match=r"the model's accuracy is 8.*saved_model/lenet5/1 9"
    ):
        export(trained, tmp_path, "--must_beat=1", "--split=test")
    assert there(tmp_path, name="lenet5") == ["1"]
    assert export(well_trained, tmp_path, "--must_beat=1")["version"] == 2
    with pytest.raises(UserError, match="there is no version"):
        export(well_trained, tmp_path, "--must_beat=7")

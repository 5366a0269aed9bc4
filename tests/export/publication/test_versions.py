import shutil

import pytest

from digitline.base import command as commands
from digitline.base.errors import UsageError, UserError, VerificationError
from digitline.export import exporter
from digitline.export.publication import publish, versions

from support import call, export


def there(export_dir, kind="saved_model", name="m"):
    return sorted(path.name for path in (export_dir / kind / name).iterdir())


def version(export_dir, number, *kinds):
    for kind in kinds or ("saved_model", "tflite"):
        folder = export_dir / kind / "m" / str(number)
        folder.mkdir(parents=True)
        (folder / "file").write_text(str(number))


def test_a_roll_back_takes_the_newest_away_and_its_number_is_not_used_again(tmp_path):
    for number in (1, 9, 10):
        version(tmp_path, number)
    assert versions.roll_back(tmp_path, "m") == versions.RolledBack("m", 10, 9)
    assert there(tmp_path) == there(tmp_path, "tflite") == ["1", "9"]
    assert (tmp_path / ".rolled_back/saved_model/m/10/file").read_text() == "10"
    assert publish.next_version(tmp_path, "m") == 11
    assert versions.roll_back(tmp_path, "m") == versions.RolledBack("m", 9, 1)
    with pytest.raises(UserError, match=r"m in .* has 1 version: nothing to roll back to"):
        versions.roll_back(tmp_path, "m")


def test_the_newest_are_kept(tmp_path):
    for number in (1, 2, 10):
        version(tmp_path, number)
    version(tmp_path, 3, "tflite")
    (tmp_path / "saved_model" / "m" / "notes").mkdir()
    assert versions.keep_newest(tmp_path, "m", 2) == [1, 2]
    assert there(tmp_path) == ["10", "notes"]
    assert there(tmp_path, "tflite") == ["10", "3"]
    assert versions.keep_newest(tmp_path, "m", 2) == []


def test_the_commands_keep_and_roll_back_versions(well_trained, tmp_path):
    for number in (1, 2):
        version(tmp_path, number)
    result = export(
        well_trained, tmp_path, "--model_name=m", "--formats=saved_model", "--keep_versions=2"
    )
    assert (result["version"], result["deleted_versions"]) == (3, [1])
    assert there(tmp_path) == ["2", "3"]
    rolled_back = commands.call(
        exporter.COMMAND, ["--rollback", "--model_name=m", f"--export_dir={tmp_path}"]
    )
    assert exporter.text(rolled_back) == "m: version 3 is taken away, the newest is 2"
    assert there(tmp_path) == ["2"]
    for flags, message in (
        (["--rollback"], "--rollback needs --model_name"),
        (["--rollback", "--model_name=m", "--export_dir=none"], "no such folder"),
    ):
        with pytest.raises(UsageError, match=message):
            call(exporter.COMMAND, flags)


def test_published_files_are_checked(exported, tmp_path):
    copy = shutil.copytree(exported.export_dir, tmp_path / "exports")
    checked = commands.call(exporter.COMMAND, [f"--verify_only={copy}"])
    assert exporter.text(checked) == "2 versions checked, 0 files are wrong"
    size = (exported.tflite.parent / "MODEL_CARD.md").stat().st_size
    lite, saved = copy / "tflite/lenet5/1", copy / "saved_model/lenet5/1"
    content = bytearray((lite / "model_int8.tflite").read_bytes())
    content[5000] ^= 1
    (lite / "model_int8.tflite").write_bytes(content)
    (lite / "MODEL_CARD.md").write_text("better")
    (saved / "assets/labels.txt").unlink()
    (saved / "variables/more").touch()
    result = commands.call(exporter.COMMAND, [f"--verify_only={copy}"])
    assert exporter.COMMAND.errors(result) == result.errors
    assert sorted(exporter.to_json(result)["errors"]) == sorted(
        [
            f"{lite}/model_int8.tflite: other content than was published",
            f"{lite}/MODEL_CARD.md: 6 bytes, not {size:,}",
            f"{saved}/assets/labels.txt: missing",
            f"{saved}/variables/more: was not published with it",
        ]
    )
    damaged = versions.check(saved)
    assert (damaged.checked, len(damaged.errors)) == ((saved,), 2)
    (lite / "manifest.json").write_text("{}")
    assert versions.check(lite).errors == (f"{lite}/manifest.json: not a manifest of digitline",)
    with pytest.raises(UserError, match="no version with a manifest in it"):
        versions.check(tmp_path / "none")


def test_a_worse_model_than_the_published_one_is_refused(trained, well_trained, exported, tmp_path):
    shutil.copytree(exported.saved_model, tmp_path / "saved_model/lenet5/1")
    with pytest.raises(
        VerificationError, match=r"the model's accuracy is 8.*saved_model/lenet5/1 9"
    ):
        export(trained, tmp_path, "--must_beat=1", "--split=test")
    assert there(tmp_path, name="lenet5") == ["1"]
    assert export(well_trained, tmp_path, "--must_beat=1", "--formats=saved_model")["version"] == 2
    with pytest.raises(UserError, match="there is no version"):
        export(well_trained, tmp_path, "--must_beat=7")

import os
import signal
import threading

import pytest

from digitline.base import files, manifests
from digitline.base.errors import UserError, VerificationError
from digitline.export.publication import check, publish, versions

from support import full_disk, perform, python


def stage(staged, *formats):
    for name in formats:
        (staged / name).mkdir(parents=True)
        (staged / name / "file").write_text("whole")


def test_versions_count_up_over_all_formats(tmp_path):
    assert publish.next_version(tmp_path, "m") == 1
    (tmp_path / "tflite" / "m" / "7").mkdir(parents=True)
    (tmp_path / "saved_model" / "m" / "00000003").mkdir(parents=True)
    (tmp_path / "saved_model" / "m" / "notes").mkdir()
    (tmp_path / "saved_model" / "other" / "40").mkdir(parents=True)
    assert publish.next_version(tmp_path, "m") == 8


FORMATS = ("saved_model", "tflite")


def verified(staged, targets):
    return {name: manifests.digests(staged / name) for name in targets}


def test_publishing_moves_whole_folders(tmp_path):
    with publish.staging(tmp_path) as staged:
        stage(staged, *FORMATS)
        targets = publish.targets(tmp_path, "m", 2, FORMATS)
        publish.publish(staged, targets, verified(staged, targets))
    assert targets == {name: tmp_path / name / "m" / "2" for name in FORMATS}
    for path in targets.values():
        assert (path / "file").read_text() == "whole"
    assert not (tmp_path / ".staging").exists()


def test_a_version_that_is_there_is_never_changed(tmp_path):
    (tmp_path / "tflite" / "m" / "2").mkdir(parents=True)
    with pytest.raises(UserError, match="is there already"):
        publish.targets(tmp_path, "m", 2, FORMATS)


def test_publishes_no_format_if_one_cannot_be(tmp_path):
    with publish.staging(tmp_path) as staged:
        stage(staged, *FORMATS)
        targets = publish.targets(tmp_path, "m", 2, FORMATS)
        targets["saved_model"].mkdir(parents=True)
        (targets["saved_model"] / "in the way").touch()
        with pytest.raises(OSError, match="not empty"):
            publish.publish(staged, targets, verified(staged, targets))
    assert not targets["tflite"].exists()


def other_content(folder):
    (folder / "file").write_text("while")


def one_more(folder):
    (folder / "more").touch()


def one_less(folder):
    (folder / "file").unlink()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_content, r"file has changed since it was verified \(sha256 [0-9a-f]{8} then, "),
        (one_more, r"more has come since .*\(sha256 none then, e3b0c442 now\)"),
        (one_less, r"file is gone since .*, none now\): does another program write there\? noth"),
    ],
)
def test_what_changes_after_the_verification_is_taken_back(
    change, message, name, when, tmp_path, monkeypatch
):
    rename = os.rename

    def rename_and_change(source, target):
        rename(source, target)
        if target == targets[name]:
            change(target)

    with publish.staging(tmp_path) as staged:
        stage(staged, *FORMATS)
        targets = publish.targets(tmp_path, "m", 2, FORMATS)
        files_before = verified(staged, targets)
        if when == "before":
            change(staged / name)
        else:
            monkeypatch.setattr(os, "rename", rename_and_change)
        with pytest.raises(VerificationError, match=f"^{name}: {message}"):
            publish.publish(staged, targets, files_before)
    assert not any(target.exists() for target in targets.values())


KILLED = """
import os, pathlib, signal, sys
from digitline.export.publication import publish
with publish.staging(pathlib.Path(sys.argv[1])) as staged:
    (staged / "saved_model").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_publishes_nothing_and_the_next_export_starts_clean(tmp_path):
    done = python(KILLED, tmp_path, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert publish.next_version(tmp_path, "m") == 1
    assert (tmp_path / ".staging" / "saved_model").exists()
    with publish.staging(tmp_path) as staged:
        assert list(staged.iterdir()) == []
    assert not (tmp_path / ".staging").exists()


KILLED_BETWEEN = """
import os, pathlib, signal, sys
from digitline.base import manifests
from digitline.export.publication import publish
formats = ("saved_model", "tflite")
rename = os.rename
def rename_once(*paths):
    rename(*paths)
    os.kill(os.getpid(), signal.SIGKILL)
os.rename = rename_once
export_dir = pathlib.Path(sys.argv[1])
with publish.staging(export_dir) as staged:
    for name in formats:
        (staged / name).mkdir()
        (staged / name / "file").write_text("whole")
    verified = {name: manifests.digests(staged / name) for name in formats}
    publish.publish(staged, publish.targets(export_dir, "m", 5, formats), verified)
"""


@pytest.mark.parametrize("damage", ["", "other", "record"])
def test_a_kill_between_two_formats_is_completed_by_the_next_export(damage, tmp_path, capsys):
    done = python(KILLED_BETWEEN, tmp_path, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    missing = tmp_path / "saved_model/m/5"
    assert publish.published(tmp_path, "m") == {5: [tmp_path / "tflite/m/5"]}
    if damage == "other":  # What is not what was verified is not published.
        (tmp_path / ".staging/saved_model/file").write_text("other")
    if damage == "record":
        (tmp_path / ".staging/verified.json").write_text('{"tflite": 1, "saved_model": []}')
    with publish.staging(tmp_path):
        assert missing.exists() != bool(damage)
        assert publish.next_version(tmp_path, "m") == 6
    said = capsys.readouterr().err
    assert said == (
        "" if damage else f"{missing}: published now, by an export that was interrupted\n"
    )


def test_two_exports_at_once_are_refused(tmp_path):
    with (
        publish.staging(tmp_path),
        pytest.raises(UserError, match="another process is exporting in"),
        publish.staging(tmp_path),
    ):
        pass


def test_a_polling_server_never_sees_an_incomplete_version(tmp_path):
    """A reader looks all the while, as TF Serving does: what has a number is whole."""
    base, seen, broken, stop = tmp_path / "saved_model" / "m", set(), [], threading.Event()

    def polls():
        while not stop.is_set():
            for version in base.glob("*") if base.exists() else ():
                if version.name.isdecimal():
                    try:
                        errors = check.check(version).errors
                    except (UserError, OSError) as error:
                        errors = (str(error),)
                    # It may be deleted while it is read, but never be there half written.
                    if version.exists():
                        broken.extend(errors)
                    seen.add(version.name)

    reader = threading.Thread(target=polls)
    reader.start()
    for number in range(1, 25):
        with publish.staging(tmp_path) as staged:
            folder = staged / "saved_model"
            for index in range(40):
                (folder / f"part{index}").mkdir(parents=True)
                (folder / f"part{index}" / "file").write_bytes(bytes([number]) * 1000)
            (folder / "saved_model.pb").touch()
            digests = manifests.digests(folder)
            manifest = {
                "model_name": "m",
                "version": number,
                "files": {name: vars(file) for name, file in digests.items()},
            }
            (folder / "assets.extra").mkdir()
            files.write_json(folder / "assets.extra/digitline.json", manifest)
            targets = publish.targets(tmp_path, "m", number, ["saved_model"])
            publish.publish(staged, targets, verified(staged, targets))
        if number % 5 == 0:
            versions.roll_back(tmp_path, "m")
    stop.set()
    reader.join()
    assert len(seen) > 5
    assert broken == []


def test_a_full_disk_publishes_nothing_and_is_one_line(well_trained, tmp_path):
    from digitline.export import exporter

    exporter.Verifier()  # It is started before the disk is full.
    arguments = [
        f"--workdir={well_trained.workdir}", f"--export_dir={tmp_path}", "--formats=saved_model",
        "--split=test[:60]", "--runtimes=none",
    ]  # fmt: skip
    with full_disk(60_000), pytest.raises(UserError, match=r"^[^\n]*File too large; allow[^\n]*$"):
        perform(exporter.COMMAND, arguments)
    assert not list(tmp_path.glob("*/*/*"))
    assert not (tmp_path / ".staging").exists()

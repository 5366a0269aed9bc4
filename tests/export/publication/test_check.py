"""`--verify_only`: every kind of thing that can be wrong with versions that lie there."""

import os
import re
import shutil
import zipfile

import pytest

from digitline.base import command as commands
from digitline.base import manifests
from digitline.base.errors import UserError
from digitline.export import exporter
from digitline.export.publication import check

from support import edit, flip


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported.export_dir, tmp_path / "exports")


def lite(copy):
    return copy / "tflite/lenet5/1"


def saved(copy):
    return copy / "saved_model/lenet5/1"


def test_sound_versions_have_no_errors(copy):
    checked = commands.call(exporter.COMMAND, [f"--verify_only={copy}"])
    assert exporter.text(checked) == "2 versions checked, 0 files are wrong"
    assert check.check(lite(copy)) == check.Checked((lite(copy),), ())
    assert check.check(saved(copy).parent).checked == (saved(copy),)


def with_fifo(copy):
    os.mkfifo(lite(copy) / "pipe")


def with_link(copy):
    path = lite(copy) / "model.tflite"
    path.rename(copy / "elsewhere")
    path.symlink_to(copy / "elsewhere")


def without_manifests(copy):
    (lite(copy) / "manifest.json").unlink()
    (saved(copy) / "assets.extra/digitline.json").unlink()


def link_to_a_version(copy):
    (lite(copy).parent / "2").symlink_to(lite(copy))


def with_manifest(change, *versions):
    """Edits manifests; their own files still agree with them."""

    def edit_all(copy):
        for version in (each(copy) for each in versions or (lite,)):
            path = next(version.rglob("manifest.json"), version / "assets.extra/digitline.json")
            edit(path, change)

    return edit_all


def sealed(change, *versions):
    """Changes a version and makes its manifest agree with what is there then."""

    def edit_all(copy):
        change(copy)
        for version in (each(copy) for each in versions or (lite,)):
            path = next(version.rglob("manifest.json"), version / "assets.extra/digitline.json")
            there = manifests.digests(version)
            del there[path.relative_to(version).as_posix()]
            facts = manifests.stating(there)
            edit(path, lambda content, facts=facts: content.update(facts))

    return edit_all


def later(copy):
    """What only the manifest says is another."""
    path = lite(copy) / "manifest.json"
    path.write_text(path.read_text().replace('"created": "2', '"created": "3'))


def swap_lines(path):
    first, second, *others = path.read_text().splitlines()
    path.write_text("\n".join([second, first, *others, ""]))


def change_inside(copy, name, old, new):
    """A file inside a TFLite file."""
    path = lite(copy) / "model.tflite"
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert old in texts[name]
    texts[name] = texts[name].replace(old, new)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"PK\x03\x04")])
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)


def swap_in_the_graph(copy):
    path = saved(copy) / "saved_model.pb"
    content = path.read_bytes()
    assert content.count(b"B\x010B\x011B\x012") == 1
    path.write_bytes(content.replace(b"B\x010B\x011B\x012", b"B\x011B\x010B\x012"))


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda copy: flip(lite(copy) / "model_int8.tflite"), ["int8.tflite: other content than"]),
        (lambda copy: (lite(copy) / "MODEL_CARD.md").write_text("!"), ["CARD.md: 1 bytes, not"]),
        (lambda copy: (saved(copy) / "fingerprint.pb").unlink(), ["fingerprint.pb: missing"]),
        (lambda copy: (saved(copy) / "variables/a").touch(), ["variables/a: was not published"]),
        (lambda copy: (lite(copy) / "assets.extra").mkdir(), []),
        (with_fifo, ["1/pipe: was not published"]),
        (with_link, ["model.tflite: a symbolic link"]),
        (link_to_a_version, ["tflite/lenet5/2: a symbolic link; what it shows is not checked"]),
        (without_manifests, ["saved_model/lenet5/1: no manifest;", "lite/lenet5/1: no manifest;"]),
        (lambda copy: (saved(copy).parent / "7").mkdir(), ["lenet5/7: empty, no model in it"]),
        (lambda copy: (lite(copy) / "manifest.json").write_text(""), ["json is not valid JSON"]),
        (lambda copy: (lite(copy) / "manifest.json").write_text("{}"), ["json: not a manifest"]),
        (lambda copy: (lite(copy) / "manifest.json").write_text("[3]"), ["json holds a list, not"]),
        (later, ["manifest.json is not as digitline wrote it (damaged or edited)"]),
        (with_manifest(lambda it: it.update(files={"a": 3})), ["json: not a manifest of digitl"]),
        (with_manifest(lambda it: it.update(labels=3)), ["its labels are damaged"]),
        (with_manifest(lambda it: it.update(labels=list("10"))), [
            "labels.txt: 10 labels, the manifest has 2", *["inside it: 10 labels, the manif"] * 4,
            "tflite/lenet5/1: its manifest has other labels than that of"]),
        (with_manifest(lambda it: it["run"].update(seed=3)), ["1: its manifest has other run tha"]),
        (with_manifest(lambda it: it.update(certainty=None)), ["its manifest has other certainty"]),
        (with_manifest(lambda it: it.update(version=3), saved), ["is of version 3 of lenet5"]),
        (lambda copy: lite(copy).rename(lite(copy).with_name("4")), ["is of version 1 of lenet5"]),
        (sealed(lambda copy: swap_lines(lite(copy) / "labels.txt")), [
            "labels.txt: class 0 is 1, in the manifest 0"]),
        (sealed(lambda copy: swap_lines(saved(copy) / "assets/labels.txt"), saved), [
            "labels.txt: class 0 is 1, in the manifest 0"]),
        (sealed(lambda copy: change_inside(copy, "labels.txt", "0\n1\n", "1\n0\n")), [
            "model.tflite: inside it: class 0 is 1, in the manifest 0"]),
        (sealed(lambda copy: change_inside(copy, "certainty.json", "0.", "0.9")), [
            "model.tflite: inside it: is not sure by {'threshold': 0.9"]),
        (sealed(swap_in_the_graph, saved), ["saved_model.pb: its signature classify does not na"]),
        (sealed(lambda copy: (lite(copy) / "pictures.json").write_text("{}")), [
            "pictures.json: takes pictures by {}, the manifest says {'image_shape'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_line_each(change, lines, copy):
    change(copy)
    errors = commands.call(exporter.COMMAND, [f"--verify_only={copy}"]).errors
    assert len(errors) == len(lines), errors
    for error, line in zip(errors, lines, strict=True):
        assert re.search(re.escape(line), error), error


def test_no_version_is_an_error(tmp_path):
    with pytest.raises(UserError, match="none: no such folder"):
        check.check(tmp_path / "none")
    with pytest.raises(UserError, match="no version in it"):
        check.check(tmp_path)


def test_labels_inside_an_onnx_file_are_looked_at(exported, copy):
    onnx = pytest.importorskip("onnx")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    folder = copy / "onnx/lenet5/1"
    shutil.copytree(lite(copy), folder, ignore=shutil.ignore_patterns("*.tflite"))
    for labels, number in (("0\n1\n2\n3\n4\n5\n6\n7\n8\n9", 0), ("0\n1\n3\n2", 1)):
        del model.metadata_props[:]
        entry = model.metadata_props.add()
        entry.key, entry.value = "labels", labels
        onnx.save(model, folder / "model.onnx")
        sealed(lambda _: None, lambda copy: copy / "onnx/lenet5/1")(copy)
        errors = check.check(copy).errors
        assert len(errors) == number, errors
    assert "model.onnx: inside it: 4 labels, the manifest has 10" in errors[0]
    (folder / "model.onnx").write_bytes(b"\xff\xff")
    assert any("not an ONNX file" in error for error in check.check(folder).errors)

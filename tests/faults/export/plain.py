"""Files beside a model that are read here, and not there: links, rights, other formats and ends."""

import io
import shutil

import PIL.Image
from faults.export.planting import Fault, damaged, edited

_SHEET, _LABELS = "assets.extra/samples.png", "assets/labels.txt"


def _linked(name, how):
    """A file is a link to a copy elsewhere: `how(path, copy)`."""

    def change(folder):
        path, copy = folder / name, folder.parent / "elsewhere"
        shutil.copy(path, copy)
        path.unlink()
        how(path, copy)

    return damaged(change)


def _folder_linked(folder):
    shutil.copytree(folder / "variables", folder.parent / "variables")
    shutil.rmtree(folder / "variables")
    (folder / "variables").symlink_to(folder.parent / "variables")


def _rights(name, mode):
    return damaged(lambda folder: (folder / name).chmod(mode))


def _as(kind):
    """The sheet of samples, in a file of another kind."""

    def edit(content):
        buffer = io.BytesIO()
        PIL.Image.open(io.BytesIO(content)).save(buffer, kind)
        return buffer.getvalue()

    return edited(_SHEET, edit)


def _in_other_colours(content):
    """The numbers of its pixels are right; what they stand for is not."""
    picture, buffer = PIL.Image.open(io.BytesIO(content)), io.BytesIO()
    inverted = PIL.Image.new("P", picture.size)
    inverted.putdata(list(picture.getdata()))
    inverted.putpalette([255 - index // 3 for index in range(768)])
    inverted.save(buffer, "PNG")
    return buffer.getvalue()


_TEXT = r"^SavedModel: the labels\.txt beside it are '.*', expected '0\\n1\\n"
_FILE = r"^SavedModel: saved_model{} {}.*; nothing was published"

FAULTS = tuple(
    Fault(name, "saved_model", plant, message, quick=name in ("lines of Windows", "a link"))
    for name, plant, message in (
        ("lines of Windows", edited(_LABELS, lambda text: text.replace(b"\n", b"\r\n")), _TEXT),
        ("no end of the last line", edited(_LABELS, lambda text: text[:-1]), _TEXT),
        ("a mark at the beginning", edited(_LABELS, lambda text: b"\xef\xbb\xbf" + text),
         r"^SavedModel: (its labels are|the labels\.txt beside it are) "),
        ("a line that is empty", edited(_LABELS, lambda text: text + b"\n"),
         r"^SavedModel: (its labels are|the labels\.txt beside it are) "),
        ("a link", _linked(_LABELS, lambda path, copy: path.symlink_to(copy)),
         _FILE.format(r"/assets/labels\.txt", "is a link to /.*elsewhere")),
        ("two names", _linked("saved_model.pb", lambda path, copy: path.hardlink_to(copy)),
         _FILE.format(r"/saved_model\.pb", "has 2 names; who writes")),
        ("a folder is a link", damaged(_folder_linked),
         r"^SavedModel: (its folder lacks .*variables|saved_model/variables is a link)"),
        ("an empty folder", damaged(lambda folder: (folder / "assets/more").mkdir()),
         _FILE.format("/assets/more", "is an empty folder")),
        ("only its owner may read it", _rights("", 0o700),
         _FILE.format("", "has the rights drwx-")),
        ("only its owner may read labels", _rights(_LABELS, 0o600),
         _FILE.format(r"/assets/labels\.txt", "has the rights -rw----")),
        ("nobody else may open a folder", _rights("variables", 0o744),
         _FILE.format("/variables", "has the rights drwxr--r--")),
        ("samples: of another format", _as("BMP"),
         r"^samples\.png: is BMP of mode L, expected PNG of mode L"),
        ("samples: JPEG", _as("JPEG"), r"^samples\.png: is JPEG of mode L, expected PNG of mode L"),
        ("samples: in other colours", edited(_SHEET, _in_other_colours),
         r"^samples\.png: is PNG of mode P, expected PNG of mode L"),
    )
)  # fmt: skip

"""What lies beside a model: files at all, the fingerprint, and samples."""

import importlib
import json
import os
import stat
from typing import Any

import numpy as np
import PIL.Image

from ....base import export_layout
from ....base.errors import VerificationError
from ...options import VARIANTS
from ..reference import Reference
from ..staged import Staged

# What the user wants others not to read.
_UMASK = os.umask(0o022)
os.umask(_UMASK)
# Pixels of the whole sheet of samples.
_MOST_PIXELS = 4_000_000


def require_files(staged: Staged, reference: Reference) -> None:
    """Refuses files that are missing, and files that do not belong there.

    Raises:
      VerificationError: names them.
    """
    layout, options = export_layout, staged.options
    asked = {layout.LABELS, layout.PICTURES}
    if staged.artifact.name == layout.SAVED_MODEL:
        asked = {f"{layout.ASSETS}/{name}" for name in asked}
        asked |= {
            layout.SAVED_MODEL_FILE,
            layout.FINGERPRINT_FILE,
            f"{layout.VARIABLES}/variables.index",
            f"{layout.VARIABLES}/variables.data-00000-of-00001",
            f"{layout.EXTRA}/{layout.WARMUP_FILE}",
        }
        if _samples_of_a_class(staged, reference):
            samples = layout.SAMPLES_SHEET, layout.SAMPLES_FACTS
            asked |= {f"{layout.EXTRA}/{name}" for name in samples}
    elif staged.artifact.name == layout.ONNX:
        asked.add(layout.ONNX_FILE)
    else:
        asked |= {VARIANTS[name].file for name in options.tflite_variants}
        if options.c_header:
            asked.add(layout.C_HEADER_FILE)
    found = {
        path.relative_to(staged.folder).as_posix()
        for path in staged.folder.rglob("*")
        if not path.is_dir()
    }
    for verb, files in (
        ("lacks", asked - found),
        ("has, which do not belong there,", found - asked - {*layout.DESCRIPTIONS}),
    ):
        if files:
            raise VerificationError(
                f"{staged.artifact.title}: its folder {verb} {', '.join(sorted(files))} "
                f"({len(found)} files in all); nothing was published"
            )


def require_plain(staged: Staged, reference: Reference) -> None:
    """Refuses links, files that only some can read, and folders that nothing is in.

    Raises:
      VerificationError: names the first, and what it is.
    """
    for path in (staged.folder, *sorted(staged.folder.rglob("*"))):
        status = path.lstat()
        readable = 0o555 if path.is_dir() else 0o444
        what = ""
        if stat.S_ISLNK(status.st_mode):
            what = f"is a link to {os.readlink(path)}"
        elif stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            what = f"has {status.st_nlink} names; who writes to another one changes it"
        elif not stat.S_ISREG(status.st_mode) and not path.is_dir():
            what = "is no plain file"
        elif path.is_dir() and not any(path.iterdir()):
            what = "is an empty folder, with 0 files"
        elif readable & ~_UMASK & ~status.st_mode:
            what = f"has the rights {stat.filemode(status.st_mode)}, so that others cannot read it"
        if what:
            raise VerificationError(
                f"{staged.artifact.title}: {path.relative_to(staged.folder.parent)} {what}; "
                "nothing was published"
            )


def require_fingerprint(staged: Staged, reference: Reference) -> None:
    """Holds TensorFlow's record of the files against the files.

    Raises:
      VerificationError: names the figure that is another.
    """
    messages = importlib.import_module("tensorflow.core.protobuf.fingerprint_pb2")
    maker = importlib.import_module(
        "tensorflow.python.saved_model.pywrap_saved_model.fingerprinting"
    )
    content = (staged.folder / export_layout.FINGERPRINT_FILE).read_bytes()
    stated = messages.FingerprintDef.FromString(content)
    expected = messages.FingerprintDef.FromString(maker.CreateFingerprintDef(str(staged.folder)))
    for field in stated.DESCRIPTOR.fields:
        found, there = getattr(stated, field.name), getattr(expected, field.name)
        if field.name != "uuid" and found != there:
            raise VerificationError(
                f"{export_layout.FINGERPRINT_FILE}: its {field.name} is {found}, that of the files "
                f"{there}; nothing was published"
            )


def _samples_of_a_class(staged: Staged, reference: Reference) -> int:
    """How many images of a class there are to be; 0 where there is no room for one."""
    height, width, _ = reference.trained.image_shape
    room = _MOST_PIXELS // (len(reference.trained.label_names) * height * width)
    return min(staged.options.samples, room)


def require_samples(staged: Staged, reference: Reference) -> None:
    """Holds the sample images against the split: the first of each class, and no others.

    Raises:
      VerificationError: names the class and the image.
    """
    extra, split, names = staged.folder / export_layout.EXTRA, reference.split, reference.trained
    sheet, path = extra / export_layout.SAMPLES_SHEET, extra / export_layout.SAMPLES_FACTS
    most, labels = _samples_of_a_class(staged, reference), names.label_names
    if not most:
        return  # None were asked for, or there is no room for them.
    counts = np.minimum(np.bincount(split.labels, minlength=len(labels)), most)
    height, width, channels = names.image_shape
    expected = {
        "split": staged.options.split,
        "image_shape": [height, width, channels],
        "columns": int(counts.max()),
        "counts": counts.tolist(),
    }
    facts: Any = json.loads(path.read_text(encoding="utf-8"))
    if facts != expected:
        raise VerificationError(
            f"{path.name}: says {facts}, the split has {expected}; nothing was published"
        )
    cells = np.zeros((len(labels), counts.max(), height, width, channels), np.uint8)
    for number, count in enumerate(counts):
        cells[number, :count] = split.images[split.labels == number][:count]
    picture = PIL.Image.open(sheet)
    kind, expected_kind = (picture.format, picture.mode), ("PNG", "L" if channels == 1 else "RGB")
    if kind != expected_kind:
        raise VerificationError(
            f"{sheet.name}: is {' of mode '.join(map(str, kind))}, expected "
            f"{' of mode '.join(expected_kind)}, for {len(labels)} classes; nothing was published"
        )
    pixels = np.asarray(picture)
    shape = len(labels) * height, int(counts.max()) * width
    if pixels.shape[:2] != shape or pixels.size != cells.size:
        raise VerificationError(
            f"{sheet.name}: has {list(pixels.shape)} pixels, expected {[*shape, channels]}; "
            "nothing was published"
        )
    rows = pixels.reshape(len(labels), height, int(counts.max()), width, channels)
    wrong = (rows.transpose(0, 2, 1, 3, 4) != cells).any(axis=(2, 3, 4))
    if wrong.any():
        number, index = np.argwhere(wrong)[0]
        raise VerificationError(
            f"{sheet.name}: image {index} of class {labels[number]} is not the split's; "
            f"{wrong.sum()} of {wrong.size} are others; nothing was published"
        )

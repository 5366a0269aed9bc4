"""What is written beside a model, and inside it: requests, samples, header, metadata, labels."""

import io
import json

import numpy as np
import PIL.Image
from faults.export import requests
from faults.export.planting import (
    Fault,
    added,
    damaged,
    edited,
    edited_graph,
    edited_json,
    flipped,
    gone,
)

_SHEET, _FACTS = "assets.extra/samples.png", "assets.extra/samples.json"


def _sheet(change):
    """`change(pixels)` of the sheet of samples, uint8 [h, w]."""

    def edit(content):
        pixels = change(np.array(PIL.Image.open(io.BytesIO(content))))
        buffer = io.BytesIO()
        PIL.Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    return edited(_SHEET, edit)


def _other_pixel(pixels):
    pixels[14, 14] ^= 1
    return pixels


def _swapped_rows(pixels):
    rows = pixels.reshape(-1, 28, pixels.shape[1])
    return np.concatenate([rows[1:2], rows[:1], rows[2:]]).reshape(pixels.shape)


def _fewer(folder):
    """One of each class instead of three, in both files."""
    sheet = PIL.Image.open(folder / _SHEET)
    facts = json.loads((folder / _FACTS).read_text())
    sheet.crop((0, 0, sheet.width // facts["columns"], sheet.height)).save(folder / _SHEET)
    facts.update(columns=1, counts=[1] * 10)
    (folder / _FACTS).write_text(json.dumps(facts))


def _labels_in_graph(meta_graph):
    """The names in `classify` are in another order."""
    constants = [
        node.attr["value"].tensor.string_val
        for node in meta_graph.graph_def.node
        if node.op == "Const"
    ]
    (names,) = (values for values in constants if len(values) == 10)
    names[3], names[5] = names[5], names[3]


def _lines(change):
    return lambda content: "".join(
        f"{line}\n" for line in change(content.decode().split())
    ).encode()


_SWAP = _lines(lambda lines: [*lines[:8], lines[9], lines[8]])


def _of(artifact, faults, quick=()):
    return [
        Fault(name, artifact, plant, message, quick=name in quick)
        for name, (plant, message) in faults.items()
    ]


FAULTS = (
    *_of("saved_model", requests.FAULTS, {"the second image", "for another model"}),
    *_of("saved_model", {
        "no samples": (gone(_SHEET, _FACTS), r"^SavedModel: its folder lacks .*samples\.json, "),
        "samples without facts": (gone(_FACTS), r"^SavedModel: its folder lacks .*samples\.json"),
        "fewer samples": (damaged(_fewer), r"^samples\.json: says .*'columns': 1.*, the split has"),
        "samples: another pixel": (_sheet(_other_pixel),
                                   r"^samples\.png: image 0 of class 0 is not the split's; 1 of "),
        "samples: classes swapped": (_sheet(_swapped_rows),
                                     r"^samples\.png: image 0 of class 0 is not the split's; \d"),
        "samples: mirrored": (_sheet(lambda pixels: pixels[:, ::-1]), r"^samples\.png: image 0 of"),
        "samples: too narrow": (_sheet(lambda pixels: pixels[:, :-1]),
                                r"^samples\.png: has \[280, 83\] pixels, expected \[280, 84, 1\]"),
        "samples: another split": (
            edited_json(_FACTS, lambda facts: {**facts, "split": "train"}),
            r"^samples\.json: says .*'train'.*, the split has .*'test\[:60\]'"),
        "samples: other counts": (
            edited_json(_FACTS, lambda facts: facts["counts"].__setitem__(2, 2)),
            r"^samples\.json: says .* the split has .*; nothing was published"),
        "a file that nobody knows": (added("assets/notes.txt"),
                                     r"^SavedModel: its folder has, .*, assets/notes\.txt \("),
        "a file of the run": (added("model.keras"), r"^SavedModel: its folder has, .* model\.k"),
        "no fingerprint": (gone("fingerprint.pb"), r"^SavedModel: its folder lacks fingerp"),
        "another fingerprint": (edited("fingerprint.pb", lambda content: flipped(content, 0.2)),
                                r"^fingerprint\.pb: its \w+ is|^SavedModel: it cannot be checked"),
        "no variables": (gone("variables/variables.index"), r"^SavedModel: it cannot be checked"),
        "no graph": (gone("saved_model.pb"), r"^SavedModel: it cannot be checked: .*"),
        "labels swapped": (edited("assets/labels.txt", _SWAP),
                           r"^SavedModel: its labels are 0.*9, 8, the dataset's"),
        "a label too few": (edited("assets/labels.txt", _lines(lambda lines: lines[:9])),
                            r"^SavedModel: its labels are 0.*8, the dataset's are"),
        "a label too many": (edited("assets/labels.txt", _lines(lambda lines: [*lines, "10"])),
                             r"^SavedModel: its labels are 0.*9, 10, the dataset's are"),
        "no labels": (gone("assets/labels.txt"), r"^SavedModel: its labels are none, the "),
        "labels swapped in the graph": (
            edited_graph(_labels_in_graph), r"^SavedModel, classify: disagrees with the"),
        "pictures are stretched": (
            edited_json("assets/pictures.json", lambda facts: {**facts, "fit": "crop"}),
            r"^SavedModel: by its record of pictures, pictures\.json, it takes pictures by .*crop"),
        "pictures of no digits": (
            edited_json("assets/pictures.json", lambda facts: {**facts, "digits": False}),
            r"^SavedModel: by its record of pictures, pictures\.json, .*digits=False"),
        "no record of pictures": (gone("assets/pictures.json"),
                                  r"^SavedModel: it cannot be checked: .*pictures\.json"),
    }, {"no samples", "samples: another pixel", "labels swapped"}),
)  # fmt: skip

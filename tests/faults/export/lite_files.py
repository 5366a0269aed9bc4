"""What is inside a TFLite file, and the C header."""

import io
import re
import zipfile

import numpy as np
from faults.export.planting import (
    Fault,
    added,
    edited,
    edited_tflite,
    gone,
    written,
)

from digitline.base import export_layout
from digitline.export.formats import metadata

_SHEET, _FACTS = "assets.extra/samples.png", "assets.extra/samples.json"
_METADATA = r"^TFLite {}: its metadata say Metadata\(.*{}.*\), expected Metadata\("


def _header(pattern, replacement):
    def edit(content):
        text, count = re.subn(pattern, replacement, content.decode(), count=1, flags=re.M)
        assert count == 1
        return text.encode()

    return edited(export_layout.C_HEADER_FILE, edit)


def with_inside(content, name, text):
    """A TFLite file in whose archive a file has another text; with None it is not there."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = min(info.header_offset for info in archive.infolist())
        files = {info.filename: archive.read(info).decode() for info in archive.infolist()}
    if text is None:
        del files[name]
    else:
        files[name] = text
    return metadata._with_files(content[:start], files)


def _zipped(name, text):
    return edited("model.tflite", lambda content: with_inside(content, name, text))


def _without_metadata(model):
    model.metadata = []


def _metadata(name, change):
    """A function of `metadata` has another result: `change(table)`."""
    sound = getattr(metadata, name)

    def other(*arguments):
        table = sound(*arguments)
        change(table)
        return table

    return written(lambda monkeypatch: monkeypatch.setattr(metadata, name, other))


def _mean(table):
    table.fields["units"][0].fields["options"].fields["mean"] = np.full(1, 127.5, np.float32)


def _deviation(table):
    table.fields["units"][0].fields["options"].fields["std"] = np.full(1, 255, np.float32)


def _colours(table):
    table.fields["content"].fields["properties"].fields["color_space"] = 2


def _file_name(table):
    if "files" in table.fields:
        table.fields["files"][0].fields["name"] = "classes.txt"


def _no_file(table):
    table.fields.pop("files", None)


def _other_name(table):
    table.fields["name"] = "image"


def _scale(model, kind, scale, zero=-128):
    """The integers of an input or output stand for other numbers."""
    (maps,) = getattr(model.signatureDefs[0], kind)
    quantization = model.subgraphs[0].tensors[maps.tensorIndex].quantization
    quantization.scale, quantization.zeroPoint = [scale], [zero]


def _lines(change):
    return lambda content: "".join(
        f"{line}\n" for line in change(content.decode().split())
    ).encode()


_SWAP = _lines(lambda lines: [*lines[:8], lines[9], lines[8]])
_MEDIAPIPE = {"tflite_variants": ("mediapipe",), "c_header": False, "tflite_io": "uint8"}
_HEADER = r"^model_int8\.h: its {} is .*, that of model_int8\.tflite .*; nothing was published"


def _of(artifact, faults, quick=()):
    return [
        Fault(name, artifact, plant, message, quick=name in quick)
        for name, (plant, message) in faults.items()
    ]


FAULTS = (
    *_of("tflite", {
        "TFLite: labels swapped": (edited("labels.txt", _SWAP),
                                   r"^model\.tflite: its labels are .* inside, .*9, 8 in labels"),
        "TFLite: labels swapped inside": (
            _zipped("labels.txt", "0\n1\n2\n3\n4\n5\n6\n7\n9\n8\n"),
            r"^model\.tflite: its labels are .*9, 8 inside, 0"),
        "TFLite: no labels inside": (_zipped("labels.txt", None),
                                     r"^model\.tflite: its labels are none inside, 0, 1"),
        "TFLite: other pictures inside": (
            _zipped("pictures.json", '{"image_shape": [28, 28, 1], "fit": "pad"}'),
            r"^TFLite float32: by its record of pictures, inside it, it takes .*'pad'"),
        "TFLite: no record of pictures inside": (
            _zipped("pictures.json", None),
            r"^TFLite float32: by its record of pictures, inside it, it takes pictures by None"),
        "TFLite: no archive": (
            edited("model.tflite", lambda content: content[:content.rindex(b"PK\3\4") - 200]),
            r"^(TFLite float32|model\.tflite): "),
        "TFLite: no metadata": (edited_tflite("model.tflite", _without_metadata),
                                _METADATA.format("float32", r"inputs=\(\)")),
        "TFLite: a file too many": (added("model_int4.tflite"),
                                    r"^TFLite float32: its folder has, .*model_int4\.tflite"),
        "TFLite: a file too few": (gone("model_float16.tflite"),
                                   r"^TFLite float32: its folder lacks model_float16\.tflite"),
        "TFLite: no header": (gone("model_int8.h"),
                              r"^TFLite float32: its folder lacks model_int8\.h"),
        "TFLite: cut off": (edited("model.tflite", lambda content: content[:5000]),
                            r"^TFLite float32: it cannot be checked: "),
    }, {"TFLite: labels swapped inside"}),
    *(
        Fault(f"MediaPipe: {name}", "tflite_mediapipe", _metadata(function, change),
              _METADATA.format("mediapipe", words), changes=_MEDIAPIPE, quick=name == "a mean")
        for name, function, change, words in (
            ("a mean", "_images", _mean, r"127\.5"), ("a deviation", "_images", _deviation, "255"),
            ("grey", "_images", _colours, "grey"),
            ("another file", "_output", _file_name, "classes"),
            ("no file of labels", "_output", _no_file, "labels_file=''"),
            ("the input's name", "_images", _other_name, "'image'"),
        )
    ),
    *_of("tflite_int8", {
        "header: a byte": (_header("0x1c,", "0x1d,"), _HEADER.format("array")),
        "header: a byte too few": (_header(r", 0x\w\w,$", ","), _HEADER.format("array")),
        "header: its length": (_header(r"_len = \d+", "_len = 1000"), _HEADER.format("length")),
        "header: named after another model": (
            edited("model_int8.h", lambda text: text.replace(b"softmax_int8", b"lenet5_int8")),
            _HEADER.format("names")),
        "header: macros of another model": (
            edited("model_int8.h", lambda text: text.replace(b"SOFTMAX_INT8", b"LENET5_INT8")),
            _HEADER.format("(alignment|macros)")),
        "header: not aligned": (_header(r"^DIGITLINE_\w+_ALIGN const", "const"),
                                _HEADER.format("alignment")),
        "header: labels swapped": (_header(r'    "0",\n    "1",', '    "1",\n    "0",'),
                                   _HEADER.format("labels")),
        "header: a label too few": (_header(r'    "9",\n', ""), _HEADER.format("labels")),
        "header: classes": (_header(r"_CLASSES 10", "_CLASSES 9"), _HEADER.format("classes")),
        "header: the output's scale": (_header(r"OUTPUT_SCALE \S+", "OUTPUT_SCALE 0.5f"),
                                       _HEADER.format("OUTPUT_SCALE")),
        "header: the input's zero point": (_header(r"INPUT_ZERO_POINT \S+", "INPUT_ZERO_POINT (0)"),
                                           _HEADER.format("INPUT_ZERO_POINT")),
        "header: the input's shape": (_header(r"INPUT_SHAPE .*", "INPUT_SHAPE {1, 784}"),
                                      _HEADER.format("INPUT_SHAPE")),
        "header: the input's type": (_header(r"INPUT_TYPE \w+", "INPUT_TYPE uint8_t"),
                                     _HEADER.format("INPUT_TYPE")),
        "header: the output's number": (_header(r"OUTPUT_INDEX \d", "OUTPUT_INDEX 1"),
                                        _HEADER.format("OUTPUT_INDEX")),
        "header: of another file": (_header(r"(?s)(_int8\[\] = \{\n).*?\n\};", r"\1    0x00,\n};"),
                                    _HEADER.format("array")),
        "integers: the output's scale": (
            edited_tflite("model_int8.tflite", lambda model: _scale(model, "outputs", 1 / 255)),
            r"^TFLite int8: it cannot be checked: .*scale not near 1\.f / 256"),
        "integers: the input's zero point": (
            edited_tflite("model_int8.tflite", lambda model: _scale(model, "inputs", 1.0, 0)),
            r"^TFLite int8, serving_default: its images have the scale 1 and the zero point 0"),
    }, {"header: a byte"}),
)  # fmt: skip

"""What a TFLite file says of itself: its tensors in words, its normalization, its labels.

TFLite's metadata are a FlatBuffer of their own, in a buffer of the model that is called
`TFLITE_METADATA`; the files that they name follow the model as a zip archive, so that
`unzip model.tflite` unpacks them. MediaPipe, Android Studio and others read them; other
readers load the model unchanged. Written by hand, since the packages that write them pull in
MediaPipe or are no longer maintained.
Source: https://developers.google.com/edge/litert/conversion/tensorflow/metadata.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ...base import configs, export_layout
from ...base.pictures.config import PictureConfig
from ...base.storage import records
from ...serving.description import inside
from .. import signatures
from ..functions import TrainedModel
from . import compact, opencv, operators

_NAME = "TFLITE_METADATA"
# What the metadata's FlatBuffer begins with, and the oldest reader of what is written here.
_IDENTIFIER, _MIN_PARSER = b"M001", "1.0.0"

# The tables of metadata_schema.fbs that are needed: their fields in the schema's order.
_FIELDS = {
    "model": (
        *("name", "description", "version", "subgraphs", "author", "license", "files"),
        "min_parser_version",
    ),
    "subgraph": ("name", "description", "inputs", "outputs"),
    "tensor": ("name", "description", "dimensions", "content", "units", "stats", "files"),
    "content": ("properties_type", "properties", "range"),
    "image": ("color_space",),
    "unit": ("options_type", "options"),
    "normalization": ("mean", "std"),
    "file": ("name", "description", "type"),
}
# Its enumerations.
_IMAGE, _RGB, _GREY, _NORMALIZATION, _AXIS_LABELS = 2, 1, 2, 1, 2


class _Table:
    """A table to write: its kind in `_FIELDS`, and the fields that it has."""

    def __init__(self, kind: str, **fields: _Field):
        self.kind, self.fields = kind, fields


_Pointed: TypeAlias = str | np.ndarray | _Table | list[_Table]
_Field: TypeAlias = int | _Pointed


def add(
    content: bytes,
    signature: signatures.Signature,
    trained: TrainedModel,
    description: str,
    threshold: float | None = None,
) -> bytes:
    """A TFLite file with metadata inside; the same bytes for the same arguments.

    Files in it are the labels, how a picture becomes the model's input, and when it is not sure.
    Its operators get their true codes and versions, and are those that OpenCV reads where that can
    be.

    Args:
      content: the file, of one subgraph.
      signature: that it carries; its words go into the metadata.
      trained: what the file was made of.
      description: of the model.
      threshold: of the probability below which it is not sure; None where that is not known.
    """
    model = compact.read(content)
    _take_in(model, content)
    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, _model(model, signature, description)), _IDENTIFIER)
    data = np.frombuffer(bytes(builder.Output()), np.uint8)
    entry = schema.MetadataT(name=_NAME, buffer=len(model.buffers))
    model.buffers = [*model.buffers, schema.BufferT(data=data)]
    model.metadata = [*(model.metadata or []), entry]
    opencv.adapt(model)
    operators.correct(model)
    compact.shorten_names(model)
    lines = "".join(f"{name}\n" for name in trained.label_names)
    words = json.dumps(configs.to_config(trained.pictures))
    texts = {export_layout.LABELS: lines, export_layout.PICTURES: words}
    if threshold is not None:
        texts[export_layout.CERTAINTY] = json.dumps({"threshold": threshold})
    return _with_files(compact.packed(model), texts)


def _take_in(model: compact.Model, content: bytes) -> None:
    """Moves the constants that lie behind the FlatBuffer into it.

    The quantizer puts large ones there and writes their offsets, which would be wrong once the
    FlatBuffer has another size.
    """
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 say that there is nothing.
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0


def labels(path: Path) -> tuple[str, ...]:
    """The label names inside a TFLite file; none where there are none."""
    return tuple((inside(path, export_layout.LABELS) or "").splitlines())


def pictures(path: Path) -> PictureConfig | None:
    """The record of pictures inside a TFLite file; None where there is none."""
    words = inside(path, export_layout.PICTURES)
    if words is None:
        return None
    return records.checked(path, PictureConfig, records.parse(path, words))


def _model(model: compact.Model, signature: signatures.Signature, description: str) -> _Table:
    """The metadata of a model: its tensors in the order of its subgraph."""
    (subgraph,) = model.subgraphs
    (carried,) = model.signatureDefs
    names = {output.tensorIndex: output.name.decode() for output in carried.outputs}
    tensors = {tensor.name: tensor for tensor in signature.outputs}
    channels = int(subgraph.tensors[subgraph.inputs[0]].shape[-1])
    described = _Table(
        "subgraph",
        inputs=[_images(signature.input, channels)],
        outputs=[_output(tensors[names[index]]) for index in subgraph.outputs],
    )
    return _Table(
        "model",
        name="Image classifier",
        description=description,
        subgraphs=[described],
        min_parser_version=_MIN_PARSER,
    )


def _images(tensor: signatures.Tensor, channels: int) -> _Table:
    color = _Table("image", color_space=_RGB if channels == 3 else _GREY)
    content = _Table("content", properties_type=_IMAGE, properties=color)
    table = _Table("tensor", name=tensor.name, description=tensor.meaning, content=content)
    if tensor.dtype == "float32":  # (pixel - mean) / std: pixels go in as they are.
        zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
        normalization = _Table("normalization", mean=zero, std=one)
        table.fields["units"] = [_Table("unit", options_type=_NORMALIZATION, options=normalization)]
    return table


def _output(tensor: signatures.Tensor) -> _Table:
    table = _Table("tensor", name=tensor.name, description=tensor.meaning)
    if tensor.name == "probabilities":
        words = "names of the classes"
        file = _Table("file", name=export_layout.LABELS, description=words, type=_AXIS_LABELS)
        table.fields["files"] = [file]
    return table


def _write(builder: flatbuffers.Builder, value: _Pointed) -> int:
    """Writes a value that tables point to; returns its offset."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        offsets = [_write(builder, table) for table in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):  # A FlatBuffer is written from its end.
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    # What a table points to is written before it.
    offsets = {
        name: _write(builder, field)
        for name, field in value.fields.items()
        if not isinstance(field, int)
    }
    slots = _FIELDS[value.kind]
    builder.StartObject(len(slots))
    for name, field in value.fields.items():
        if isinstance(field, int):
            builder.PrependUint8Slot(slots.index(name), field, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slots.index(name), offsets[name], 0)
    return builder.EndObject()


def _with_files(content: bytes, texts: Mapping[str, str]) -> bytes:
    """A file with a zip archive behind it; uncompressed, since readers map it into memory."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, text in texts.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16  # As `unzip` leaves it.
            archive.writestr(info, text.encode())
    return file.getvalue()

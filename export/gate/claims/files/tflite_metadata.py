"""TFLite's metadata as a reader of them finds it, by the numbers of metadata_schema.fbs.

Source: https://ai.google.dev/edge/litert/models/metadata.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import flatbuffers
import flatbuffers.table
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_NAME = b"TFLITE_METADATA"
_COLOURS = {0: "unknown", 1: "RGB", 2: "grey"}
_AXIS_LABELS = 2


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What the metadata say of a model's tensors.

    Attributes:
      words: on the model.
      inputs, outputs: names; outputs in the order of the alphabet.
      normalization: mean and standard deviation of the input; None if it has none.
      colours: of the input, in words.
      labels_of, labels_file: the output that has labels, and the file that they are in.
    """

    words: str
    inputs: tuple[str, ...]
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None
    colours: str
    outputs: tuple[str, ...]
    labels_of: str
    labels_file: str

    @classmethod
    def of(cls, content: bytes) -> Metadata:
        """Of a TFLite file's content; of one without metadata, nothing."""
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        entries = [entry.buffer for entry in model.metadata or [] if entry.name == _NAME]
        if len(entries) != 1:
            return cls("", (), None, "", (), "", "")
        data = (model.buffers or [])[entries[0]].data
        root = _root(np.asarray(data, np.uint8).tobytes())
        (graph,) = root.tables(3)
        (image,) = graph.tables(2)
        outputs = list(graph.tables(3))
        normalization, colours = None, ""
        for unit in image.tables(4):
            options = unit.table(1)
            normalization = options.floats(0), options.floats(1)
        if content_of := image.optional(3):
            colours = _COLOURS[content_of.table(1).byte(0)]
        labelled = [
            (output.text(0), file.text(0))
            for output in outputs
            for file in output.tables(6)
            if file.byte(2) == _AXIS_LABELS
        ]
        labels_of, labels_file = labelled[0] if len(labelled) == 1 else ("", "")
        names = tuple(sorted(output.text(0) for output in outputs))
        inputs = (image.text(0),)
        words = root.text(1)
        return cls(words, inputs, normalization, colours, names, labels_of, labels_file)


class _Table:
    """A table of a FlatBuffer, read by its fields' numbers."""

    def __init__(self, content: bytes, position: int):
        self._table = flatbuffers.table.Table(bytearray(content), position)
        self._content = content

    def _at(self, field: int) -> int:
        """Where a field is; 0 if it is not there."""
        offset = self._table.Offset(4 + 2 * field)
        return offset and offset + self._table.Pos

    def byte(self, field: int) -> int:
        at = self._at(field)
        return self._content[at] if at else 0

    def text(self, field: int) -> str:
        at = self._at(field)
        return self._table.String(at).decode() if at else ""

    def floats(self, field: int) -> tuple[float, ...]:
        offset = self._table.Offset(4 + 2 * field)
        if not offset:
            return ()
        start, count = self._table.Vector(offset), self._table.VectorLen(offset)
        return tuple(np.frombuffer(self._content, "<f4", count, start).tolist())

    def optional(self, field: int) -> _Table | None:
        at = self._at(field)
        return _Table(self._content, self._table.Indirect(at)) if at else None

    def table(self, field: int) -> _Table:
        found = self.optional(field)
        assert found, "The field is not there."
        return found

    def tables(self, field: int) -> Iterator[_Table]:
        offset = self._table.Offset(4 + 2 * field)
        if offset:
            start = self._table.Vector(offset)
            for index in range(self._table.VectorLen(offset)):
                yield _Table(self._content, self._table.Indirect(start + 4 * index))


def _root(content: bytes) -> _Table:
    return _Table(content, int.from_bytes(content[:4], "little"))

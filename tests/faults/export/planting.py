"""Sound exports, and what it takes to plant a fault in one.

A fault is planted in what writes, by patches that are undone before the gate looks, or in the
bytes that were written.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from digitline.base import export_layout
from digitline.base.tf import tf
from digitline.export import signatures, stages
from digitline.export.formats import compact, metadata, saved_model, table
from digitline.export.gate import gate
from digitline.export.gate.messages import Begin
from digitline.export.gate.service import Service
from digitline.export.options import ExportOptions
from digitline.serving.description import inside


@dataclasses.dataclass(frozen=True)
class Bench:
    """A sound export, as it lies before it is published, and what the verifying process knows."""

    options: ExportOptions
    service: Service
    folder: Path
    traced: dict

    @classmethod
    def of(cls, options, folder):
        service = Service(Begin(options, folder / "answers.npz"))
        options = dataclasses.replace(options, split=service.source.compared.split.name)
        bench = cls(options, service, folder, {})
        for name in options.formats:
            bench.write(name, folder / name)
        return bench

    @property
    def source(self):
        return self.service.source

    def write(self, name, folder, source=None, options=None):
        """Writes a format as `digitline export` does."""
        options, source = options or self.options, source or self.source
        answers = stages.read_answers(self.folder, self.source)
        threshold = lambda: answers.certainty.threshold  # noqa: E731
        for export_format in table.formats(options, source.calibration, threshold):
            if export_format.name == name:
                stages._write(export_format, options, source, folder)

    def artifact(self, name, options=None):
        for export_format in table.formats(options or self.options, None):
            for artifact in export_format.artifacts:
                if artifact.name == name:
                    return artifact
        raise KeyError(name)

    def check(self, name, folder, options=None):
        options = options or self.options
        reference = self.service.reference
        return gate.start(self.artifact(name, options), options, folder, reference)()

    def function(self, signature):
        """A signature's graph, traced once."""
        if signature not in self.traced:
            tensor, trained = signature.input, self.source.trained
            shape = tensor.sizes(trained.image_shape, len(trained.label_names), None)
            spec = tf.TensorSpec(shape, tensor.dtype, name=tensor.name)
            call = saved_model.FUNCTIONS[signature](trained)
            self.traced[signature] = tf.function(call, [spec], autograph=False)
        return self.traced[signature]


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault that the gate must refuse.

    Attributes:
      artifact: its name; the claim that does not hold is one of it.
      plant: makes a version's folder of the artifact's format, with the fault in it.
      message: a regular expression that the refusal fits.
      bench: which sound export it is planted in.
      changes: of the options, for this fault.
      quick: whether `make test` plants it too.
    """

    name: str
    artifact: str
    plant: Callable[[Bench, Path, ExportOptions], None]
    message: str
    bench: str = "digits"
    changes: dict = dataclasses.field(default_factory=dict)
    quick: bool = False

    @property
    def format(self):
        return self.artifact.partition("_")[0] if self.artifact[0] == "t" else self.artifact

    def options(self, bench):
        return dataclasses.replace(bench.options, **self.changes)


def damaged(change):
    """The sound folder's copy, changed: `change(folder)`."""

    def plant(bench, folder, options):
        shutil.copytree(bench.folder / folder.name, folder)
        change(folder)

    return plant


def gone(*names):
    """Files of a version that are taken away."""

    def change(folder):
        for name in names:
            (folder / name).unlink()

    return damaged(change)


def added(name):
    """A file that a version does not have."""
    return damaged(lambda folder: (folder / name).write_bytes(b"more"))


def edited(name, change):
    """The same of one file's bytes."""

    def edit(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return damaged(edit)


def edited_json(name, change):
    """The same of one JSON file's content, which `change` changes in place or gives anew."""

    def edit(content):
        value = json.loads(content)
        return json.dumps(change(value) or value).encode()

    return edited(name, edit)


def flipped(content, where=0.5):
    """Four bytes of it are others."""
    index = int(len(content) * where)
    others = bytes(byte ^ 0xFF for byte in content[index : index + 4])
    return content[:index] + others + content[index + 4 :]


def edited_graph(change):
    """The sound SavedModel with another `MetaGraphDef`; its fingerprint is renewed."""

    def edit(folder):
        from tensorflow.core.protobuf import saved_model_pb2

        path = folder / export_layout.SAVED_MODEL_FILE
        content = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        change(content.meta_graphs[0])
        path.write_bytes(content.SerializeToString(deterministic=True))
        saved_model._fingerprint(folder)

    return damaged(edit)


def edited_tflite(name, change):
    """The sound TFLite file with another `ModelT`; what lies behind it stays."""

    def edit(folder):
        path = folder / name
        layout = export_layout
        names = layout.LABELS, layout.PICTURES, layout.CERTAINTY
        files = {each: inside(path, each) for each in names}
        content = path.read_bytes()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        change(model)
        path.write_bytes(metadata._with_files(compact.packed(model), files))

    return damaged(edit)


def written(patch):
    """What is written with patches: `patch(monkeypatch)`."""

    def plant(bench, folder, options):
        with pytest.MonkeyPatch.context() as monkeypatch:
            patch(monkeypatch)
            bench.write(folder.name, folder, options=options)

    return plant


def written_of(change):
    """What is written of another `TrainedModel`; what lies beside it is sound."""

    def plant(bench, folder, options):
        source = dataclasses.replace(bench.source, trained=change(bench.source.trained))
        bench.write(folder.name, folder, source, options)
        if folder.name == export_layout.SAVED_MODEL:
            extra = folder / export_layout.EXTRA
            shutil.rmtree(extra)
            shutil.copytree(bench.folder / folder.name / export_layout.EXTRA, extra)

    return plant


def graph(signature, wrap):
    """A SavedModel whose function of one signature is `wrap(function)`; the others are sound."""

    def plant(bench, folder, options):
        with pytest.MonkeyPatch.context() as monkeypatch:
            for each in signatures.SAVED_MODEL:
                sound = bench.function(each)
                wrong = wrap(sound) if each == signature else sound
                monkeypatch.setitem(saved_model.FUNCTIONS, each, lambda _, call=wrong: call)
            bench.write(folder.name, folder, options=options)

    return plant


def lite_graph(signature, wrap):
    """TFLite files whose function is `wrap(function)`."""
    sound = saved_model.FUNCTIONS[signature]
    return written(
        lambda monkeypatch: monkeypatch.setitem(
            saved_model.FUNCTIONS, signature, lambda trained: wrap(sound(trained))
        )
    )


def scrambled(outputs):
    """Answers whose rows are reversed; classes that are one more."""
    return {
        name: tf.reverse(value, [-1]) if value.shape.rank == 2 else (value + 1) % 10
        for name, value in outputs.items()
    }


def for_batches(is_wrong):
    """Wraps a function: wrong where the number of images is so."""

    def wrap(function):
        def call(values):
            right = function(values)
            wrong, broken = is_wrong(tf.shape(values)[0]), scrambled(right)
            return {name: tf.where(wrong, broken[name], value) for name, value in right.items()}

        return call

    return wrap


def for_images(is_wrong):
    """Wraps a function: wrong for images of which `is_wrong(pixels float32 [N, P])`, bool [N]."""

    def wrap(function):
        def call(values):
            right = function(values)
            pixels = tf.cast(tf.reshape(values, [tf.shape(values)[0], -1]), tf.float32)
            wrong, broken = is_wrong(pixels), scrambled(right)
            return {
                name: tf.where(
                    wrong[:, tf.newaxis] if value.shape.rank == 2 else wrong, broken[name], value
                )
                for name, value in right.items()
            }

        return call

    return wrap

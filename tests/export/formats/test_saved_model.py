"""The SavedModel beside its signatures: methods, warm-up, and that it is the same each time."""

import os
import re

import numpy as np
import pytest

from digitline.base.tf import tf
from digitline.export import signatures
from digitline.export.formats import saved_model

from support import digitline


def signature_defs(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (graph,) = content.meta_graphs
    return graph.signature_def


def test_signatures_are_those_of_the_table(exported):
    definitions = signature_defs(exported.saved_model)
    assert set(definitions) - {"__saved_model_init_op"} == {
        each.name for each in signatures.SAVED_MODEL
    }
    sizes = {"N": -1, "H": 28, "W": 28, "C": 1, "K": 10, "H·W·C": 784}
    for signature in signatures.SAVED_MODEL:
        made = definitions[signature.name]
        assert made.method_name == signature.method
        for stated, tensors in (
            ((signature.input,), made.inputs), (signature.outputs, made.outputs)
        ):  # fmt: skip
            if signatures.LAYER in stated[0].shape:
                continue
            assert set(tensors) == {tensor.name for tensor in stated}
            for tensor in stated:
                there = tensors[tensor.name]
                assert tf.as_dtype(there.dtype).name == tensor.dtype
                shape = [size.size for size in there.tensor_shape.dim]
                assert shape == [sizes[size] for size in tensor.shape]


def test_each_layer_answers_in_order(exported):
    outputs = signature_defs(exported.saved_model)["activations"].outputs
    shapes = {
        name: [size.size for size in tensor.tensor_shape.dim][1:]
        for name, tensor in outputs.items()
    }
    assert sorted(shapes.items()) == [
        ("01_c1", [28, 28, 6]),
        ("02_s2", [14, 14, 6]),
        ("03_c3", [10, 10, 16]),
        ("04_s4", [5, 5, 16]),
        ("05_c5", [120]),
        ("06_f6", [84]),
        ("07_logits", [10]),
    ]


def test_warm_up_requests_are_answered(exported):
    from tensorflow_serving.apis import prediction_log_pb2

    path = exported.saved_model / "assets.extra" / "tf_serving_warmup_requests"
    loaded = tf.saved_model.load(str(exported.saved_model))
    names = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        kind = log.WhichOneof("log_type")
        request = getattr(log, kind).request
        assert request.model_spec.name == "lenet5"
        names.append(request.model_spec.signature_name)
        if kind == "classify_log":
            examples = request.input.example_list.examples
            values = {"inputs": tf.constant([each.SerializeToString() for each in examples])}
        else:
            values = {
                key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()
            }
        for output in loaded.signatures[names[-1]](**values).values():
            assert output.shape[0] == 1
    assert names == [signature.name for signature in signatures.SAVED_MODEL]


def test_each_variable_is_written_once_and_in_the_networks_order(trained_model, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        saved_model.write_signatures(trained_model, folder, (signatures.SERVING_DEFAULT,))
    one, other = ([path.read_bytes() for path in (f / "variables").iterdir()] for f in folders)
    assert one == other
    loaded = tf.saved_model.load(str(folders[0]))
    for made, variable in zip(loaded.variables, trained_model.model.variables, strict=True):
        np.testing.assert_array_equal(made.numpy(), variable.numpy())
    weights = sum(variable.numpy().nbytes for variable in loaded.variables)
    assert weights < (folders[0] / "variables/variables.data-00000-of-00001").stat().st_size
    assert sum(map(len, one)) < weights + 10_000


def contents(export_dir):
    """Each file by name; of manifests all but the time."""
    return {
        path.relative_to(export_dir): re.sub(rb'"created": "[^"]*"', b"", path.read_bytes())
        for path in export_dir.rglob("*")
        if path.is_file()
    }


@pytest.mark.long
def test_another_process_gives_the_same_bytes(well_trained, tmp_path):
    for name, seed in (("a", "1"), ("elsewhere/b", "2")):
        done = digitline(
            "export", f"--workdir={well_trained.workdir}", f"--export_dir={tmp_path / name}",
            "--split=train[100:160]", "--tflite_variants=float32,int8",
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, other = contents(tmp_path / "a"), contents(tmp_path / "elsewhere/b")
    assert len(one) > 12
    assert one == other

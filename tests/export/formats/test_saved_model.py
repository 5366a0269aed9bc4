"""The SavedModel beside its signatures: methods, warm-up, and that it is the same each time."""

import json
from pathlib import Path

import numpy as np
import pytest

from digitline.base.tf import tf
from digitline.export import signatures

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


def nodes(folder):
    """Operations and attributes of all functions; names hold counters that differ."""
    from tensorflow.core.protobuf import saved_model_pb2

    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    library = content.meta_graphs[0].graph_def.library
    return sorted(sorted(node.op for node in function.node_def) for function in library.function)


@pytest.mark.long
def test_another_process_gives_the_same_artifacts(exported, well_trained, tmp_path):
    done = digitline(
        "export", f"--workdir={well_trained.workdir}", f"--export_dir={tmp_path}",
        "--split=train[100:160]", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second = exported.result["artifacts"], json.loads(done.stdout)["artifacts"]
    for name in first:
        if name.startswith("tflite"):
            assert Path(first[name]).read_bytes() == Path(second[name]).read_bytes(), name
    folders = [Path(artifacts["saved_model"]) for artifacts in (first, second)]
    one, other = (tf.saved_model.load(str(folder)) for folder in folders)
    assert len(one.variables) == len(other.variables) > 0
    for left, right in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    assert nodes(folders[0]) == nodes(folders[1])

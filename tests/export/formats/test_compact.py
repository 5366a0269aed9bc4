"""Files are smaller than the converter's, and say the same."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from digitline.export.formats import compact
from digitline.serving import artifacts


def model_of(content):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


@pytest.fixture(scope="module")
def content(exported):
    return exported.tflite.with_name("model_int8.tflite").read_bytes()


def tensors_of(content):
    return artifacts.interpreter(content).get_tensor_details()


def test_what_is_equal_is_stored_once(content):
    model = model_of(content)
    apart = schema.flatbuffers.Builder(len(content))
    apart.Finish(model.Pack(apart), b"TFL3")
    shared = compact.packed(model)
    scales = sum(
        len(tensor.quantization.scale)
        for tensor in model.subgraphs[0].tensors
        if tensor.quantization is not None and tensor.quantization.scale is not None
    )
    assert len(apart.Output()) - len(shared) > 4 * scales  # Of eight bytes of zeros for each.
    for one, other in zip(tensors_of(bytes(apart.Output())), tensors_of(shared), strict=True):
        assert one["name"] == other["name"]
        np.testing.assert_array_equal(one["shape"], other["shape"])
        for part in ("scales", "zero_points"):
            np.testing.assert_array_equal(
                one["quantization_parameters"][part], other["quantization_parameters"][part]
            )


def test_names_are_short_and_differ(content):
    model = model_of(content)
    (graph,) = model.subgraphs
    inputs = [graph.tensors[place].name for place in graph.inputs]
    for place, tensor in enumerate(graph.tensors):
        if place not in (*graph.inputs, *graph.outputs):
            tensor.name = b"network/layer/Relu;network/layer/bias;network/layer/conv"
    compact.shorten_names(model)
    names = [tensor.name for tensor in graph.tensors]
    assert len(set(names)) == len(names)
    assert b"network/layer/Relu" in names
    assert b"network/layer/Relu_2" in names
    assert not [name for name in names if b";" in name]
    assert [graph.tensors[place].name for place in graph.inputs] == inputs


def test_a_published_file_is_compact(content):
    names = [tensor.name for tensor in model_of(content).subgraphs[0].tensors]
    assert not [name for name in names if b";" in name]
    assert compact.packed(model_of(content)) in content

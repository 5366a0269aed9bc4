import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from half_models import save_tf1
from tensorflow.core.protobuf import saved_model_pb2

from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.serving import artifacts
from digitline.serving.core import saved_model
from digitline.serving.flags import ServeOptions

CUSTOM_OP = """
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"
static void* made(TF_OpKernelConstruction* c) { return 0; }
static void compute(void* kernel, TF_OpKernelContext* context) {
  TF_Status* status = TF_NewStatus();
  TF_Tensor* input = 0;
  TF_GetInput(context, 0, &input, status);
  TF_SetOutput(context, 0, input, status);
  TF_DeleteTensor(input);
  TF_DeleteStatus(status);
}
static void deleted(void* kernel) {}
__attribute__((constructor)) static void add() {
  TF_Status* status = TF_NewStatus();
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder("HandedOn");
  TF_OpDefinitionBuilderAddInput(op, "x: float");
  TF_OpDefinitionBuilderAddOutput(op, "y: float");
  TF_RegisterOpDefinition(op, status);
  TF_RegisterKernelBuilder(
      "HandedOn", TF_NewKernelBuilder("HandedOn", "CPU", &made, &compute, &deleted), status);
  TF_DeleteStatus(status);
}
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="needs a compiler of C++")
def test_ops_of_a_library(tmp_path):
    save_tf1(tmp_path / "1")
    file = tmp_path / "1" / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (node,) = [node for node in saved.meta_graphs[0].graph_def.node if node.name == "y"]
    node.op = "HandedOn"
    node.attr.clear()
    file.write_bytes(saved.SerializeToString())
    with pytest.raises(Exception, match="HandedOn"):
        saved_model.load(tmp_path / "1", ServeOptions())
    (tmp_path / "op.cc").write_text(CUSTOM_OP)
    library = f"{tmp_path}/op.so"
    folder = Path(tf.sysconfig.get_lib())
    linked = ["-I", tf.sysconfig.get_include(), f"-L{folder}", "-l:libtensorflow_framework.so.2"]
    command = ["g++", "-shared", "-fPIC", "-o", library, f"{tmp_path}/op.cc", *linked]
    subprocess.run(command, check=True)
    for _ in range(2):  # A second time it is there already.
        model = saved_model.load(tmp_path / "1", ServeOptions(load_library=(library,)))
        (y,) = model.run("serving_default", {"x": np.float32([2])}, ["y"])
        assert y.tolist() == [3.0]
        model.close()


def test_a_library_that_does_not_load_is_named(tmp_path):
    (tmp_path / "op.so").write_text("no library")
    for name in ("op.so", "none.so"):
        with pytest.raises(UserError, match=f"^--load_library={tmp_path}/{name}: .*{name}"):
            saved_model.load_libraries([f"{tmp_path}/{name}"])


def test_a_tensor_that_goes_in_comes_out(tmp_path):
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        outputs = {"same": x, "double": 2 * x}
        outputs["twice"] = outputs["double"]
        v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": x}, outputs)
    model = saved_model.load(tmp_path / "1", ServeOptions())
    values = model.run("serving_default", {"x": np.float32([3])}, ["same", "twice", "double"])
    assert [value.tolist() for value in values] == [[3.0], [6.0], [6.0]]
    model.close()


@pytest.mark.parametrize("name", ["models [1]*", "what?"])
def test_a_folder_whose_name_is_a_pattern(name, tmp_path):
    """TensorFlow looks for variables by patterns."""
    folder = tmp_path / name / "1"
    module = tf.Module()
    module.w = tf.Variable(2.0)
    spec = tf.TensorSpec([None], tf.float32)
    function = tf.function(lambda x: {"y": module.w * x}, input_signature=[spec])
    tf.saved_model.save(module, str(folder), function)
    model = saved_model.load(folder, ServeOptions())
    (y,) = model.run("serving_default", {"x": np.float32([3])}, ["y"])
    assert y == [6]
    loaded = artifacts.SavedModel(folder)
    assert loaded.run("serving_default", {"x": np.float32([3])})["y"] == [6]

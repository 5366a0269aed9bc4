"""Models that do what TF Serving's own test models do, made by code: x / 2 + 2 and the like."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder, flexbuffers

from digitline.base.tf import tf

PREDICT = "tensorflow/serving/predict"


def save_tf1(folder, inc=2.0):
    """A graph of TensorFlow 1 whose signature says x [N, 1]; the graph takes any shape."""
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        half, inc = v1.Variable(0.5), v1.Variable(inc)
        examples = v1.placeholder(tf.string, [None], "examples")
        feature = tf.io.FixedLenFeature([1], tf.float32)
        x = tf.identity(v1.parse_example(examples, {"x": feature})["x"], "x")
        y = tf.identity(half * x + inc, "y")
        session.run(v1.global_variables_initializer())
        _write(session, folder, {
            "serving_default": (PREDICT, {"x": x}, {"y": y}),
            "regress_x_to_y": (
                "tensorflow/serving/regress", {"inputs": examples}, {"outputs": y}
            ),
            "classify_x_to_y": (
                "tensorflow/serving/classify", {"inputs": examples}, {"scores": y}
            ),
        })  # fmt: skip


def save_counter(folder):
    """Signatures without inputs, and state."""
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        counter = v1.Variable(0.0, name="counter", use_resource=False)
        delta = v1.placeholder(tf.float32, name="delta")
        session.run(v1.global_variables_initializer())
        _write(session, folder, {
            "get_counter": (PREDICT, {}, {"output": counter}),
            "incr_counter": (PREDICT, {}, {"output": counter.assign_add(1.0)}),
            "incr_counter_by": (PREDICT, {"delta": delta}, {"output": counter.assign_add(delta)}),
            "reset_counter": (PREDICT, {}, {"output": counter.assign(0.0)}),
        })  # fmt: skip


def _write(session, folder, signatures):
    v1 = tf.compat.v1
    info = v1.saved_model.utils.build_tensor_info
    definitions = {
        name: v1.saved_model.build_signature_def(
            {key: info(tensor) for key, tensor in inputs.items()},
            {key: info(tensor) for key, tensor in outputs.items()},
            method,
        )
        for name, (method, inputs, outputs) in signatures.items()
    }
    builder = v1.saved_model.Builder(str(folder))
    builder.add_meta_graph_and_variables(session, ["serve"], definitions)
    builder.save()


class _Tf2(tf.Module):
    def __init__(self):
        super().__init__()
        self.half, self.inc = tf.Variable(0.5), tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec([1], tf.float32)])
    def predict(self, x=tf.constant([0.0])):  # noqa: B008 (a default of the signature)
        return {"y": self.half * x + self.inc}

    @tf.function(
        input_signature=[tf.TensorSpec([1], tf.float32), tf.TensorSpec([1], tf.float32, "by")]
    )
    def scaled(self, x, by=tf.constant([3.0])):  # noqa: B008
        return {"y": x * by}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def product(self, x):
        return {"y": x @ tf.ones([2, 1])}


def save_tf2(folder):
    """A module of TensorFlow 2 whose signatures say x [1] and have defaults."""
    module = _Tf2()
    calls = {"serving_default": module.predict, "scaled": module.scaled, "product": module.product}
    tf.saved_model.save(module, str(folder), calls)


def tflite(signed):
    """A TFLite file that says x [1, 1]; its signature is in its metadata, or it has none."""

    @tf.function(input_signature=[tf.TensorSpec([1, 1], tf.float32, "x")])
    def half_plus_two(x):
        return tf.identity(0.5 * x + 2.0, "y")

    concrete = half_plus_two.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.signatureDefs = None
    graph = model.subgraphs[0]
    names = (b"tflite_input", b"tflite_output") if signed else (b"x", b"y")
    for index, name in zip((graph.inputs[0], graph.outputs[0]), names, strict=True):
        graph.tensors[index].name = name
    if signed:
        definition = tf.compat.v1.saved_model.build_signature_def(method_name=PREDICT)
        for infos, key, name in (
            (definition.inputs, "x", "tflite_input:0"),
            (definition.outputs, "y", "tflite_output:0"),
        ):
            infos[key].name, infos[key].dtype = name, tf.float32.as_datatype_enum
        builder = flexbuffers.Builder()
        with builder.Map():
            builder.Key("serving_default")
            builder.String(definition.SerializeToString().decode())
        data = np.frombuffer(bytes(builder.Finish()), np.uint8)
        model.buffers.append(schema.BufferT(data=data))
        entry = schema.MetadataT(name=b"signature_defs_metadata", buffer=len(model.buffers) - 1)
        model.metadata = [*(model.metadata or []), entry]
    packed = Builder()
    packed.Finish(model.Pack(packed), b"TFL3")
    return bytes(packed.Output())

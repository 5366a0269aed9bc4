"""Codes and versions of operators: as TensorFlow's own converter writes them, and true of files."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from digitline.base.process.quiet import quiet_stderr
from digitline.base.tf import keras, tf
from digitline.export import options
from digitline.export.formats import operators


def model_of(content):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def summary(model):
    """Both fields of each operator's code, its version; the oldest runtime."""
    codes = [
        (code.builtinCode, code.deprecatedBuiltinCode, code.version) for code in model.operatorCodes
    ]
    (runtime,) = (
        bytes(model.buffers[entry.buffer].data)
        for entry in model.metadata
        if entry.name == b"min_runtime_version"
    )
    return codes, runtime


@pytest.fixture(scope="module")
def network():
    """Layers of every kind that the networks have, and of some that they do not."""
    layers = keras.layers
    inputs = keras.Input((12, 12, 1), batch_size=1)
    x = layers.Conv2D(4, 3, padding="same")(inputs * 0.1 - 0.5)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Add()([x, layers.Conv2D(4, 1, activation="tanh")(x)])
    x = layers.Concatenate()([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)])
    x = layers.Conv2DTranspose(8, 2, 2)(x[:, 1:])
    x = layers.UpSampling2D(2, interpolation="bilinear")(x) * layers.ReLU()(x)[:, :1, :1]
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Dense(40)(x)))


def converted(network, name):
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    if name != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if name == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if name == "int8":
        draw = np.random.default_rng(0)
        shape = (1, *network.input_shape[1:])
        images = [draw.uniform(0, 9, shape).astype(np.float32) for _ in range(3)]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    with quiet_stderr():
        return model_of(converter.convert())


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic_int8", "int8"])
def test_versions_are_those_that_tensorflow_writes(name, network):
    model = converted(network, name)
    expected = summary(model)
    as_float, runtime = summary(converted(network, "float32"))
    versions = {code: version for code, _, version in as_float}
    for code in model.operatorCodes:  # As the quantizer leaves it.
        code.version = versions.get(code.builtinCode, 1)
        if code.builtinCode not in versions:
            code.deprecatedBuiltinCode = 0
    for entry in model.metadata:
        if entry.name == b"min_runtime_version":
            model.buffers[entry.buffer].data = np.frombuffer(runtime, np.uint8)
    operators.correct(model)
    assert summary(model) == expected


@pytest.mark.parametrize(
    ("variant", "runtime", "versions"),
    [
        (options.FLOAT32, "1.9.0", {"FULLY_CONNECTED": 1, "CONV_2D": 1}),
        (options.FLOAT16, "1.15.0", {"FULLY_CONNECTED": 1, "CONV_2D": 1, "DEQUANTIZE": 3}),
        (options.DYNAMIC_INT8, "2.17.0", {"FULLY_CONNECTED": 12, "CONV_2D": 5}),
        (options.INT8, "1.14.0", {"FULLY_CONNECTED": 4, "CONV_2D": 3, "QUANTIZE": 1}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_published_file_says_what_it_needs(variant, runtime, versions, exported):
    model = model_of(exported.tflite.with_name(variant.file).read_bytes())
    codes, text = summary(model)
    assert text == runtime.encode().ljust(16, b"\0")
    assert all(old == min(new, 127) for new, old, _ in codes)
    written = {new: version for new, _, version in codes}
    for name, version in versions.items():
        assert written[getattr(schema.BuiltinOperator, name)] == version


def test_the_rules_know_all_that_the_quantizer_quantizes():
    from litert_quantizer.utils import tfl_flatbuffer_utils

    one_version = {
        *("RESHAPE", "SELECT", "SELECT_V2", "GATHER_ND", "DIV", "HARD_SWISH"),
        *("DYNAMIC_UPDATE_SLICE", "STABLEHLO_COMPOSITE"),
        "EMBEDDING_LOOKUP",  # Not of images.
    }
    names = {operators._NAMES[code] for code in tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME}
    assert names - one_version <= set(operators._RUNTIMES)
    assert not one_version & set(operators._RUNTIMES)

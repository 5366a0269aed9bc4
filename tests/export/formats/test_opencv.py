"""Float files in OpenCV, and that its operators give what the converter's gave."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from digitline.base.process.quiet import quiet_stderr
from digitline.base.tf import tf
from digitline.export import options
from digitline.export.formats import compact, opencv
from digitline.serving import artifacts


@pytest.mark.parametrize("variant", [options.FLOAT32, options.FLOAT16], ids=lambda each: each.name)
def test_opencv_gives_what_litert_gives(variant, exported, test_images):
    cv2 = pytest.importorskip("cv2", "5.1", reason="needs OpenCV 5.1, which mediapipe brings")
    path = exported.tflite.with_name(variant.file)
    network = cv2.dnn.readNetFromTFLite(str(path))
    images = test_images[0][:20]
    expected = artifacts.open_tflite(path).run(images)["probabilities"]
    for image, probabilities in zip(images, expected, strict=True):
        network.setInput(image.astype(np.float32).transpose(2, 0, 1)[np.newaxis])
        outputs = network.forward(network.getUnconnectedOutLayersNames())
        (row,) = (output for output in outputs if np.size(output) == 10)
        np.testing.assert_allclose(row.reshape(-1), probabilities, atol=1e-5)
        (number,) = (output for output in outputs if np.size(output) == 1)
        assert number.item() == probabilities.argmax()


def outputs(content, values):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def test_the_same_numbers_by_other_operators():
    """Of equal scores the first, and a dense layer of [2, 1, 1, 4]; two images at once."""
    weights = tf.constant(np.random.default_rng(0).normal(size=(4, 4)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((2, 1, 1, 4), tf.float32)])
    def function(values):
        rows = tf.reshape(values, (2, 4))
        return tf.argmax(rows, -1, tf.int32), tf.matmul(rows, weights)

    with quiet_stderr():
        content = tf.lite.TFLiteConverter.from_concrete_functions(
            [function.get_concrete_function()], function
        ).convert()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    opencv.adapt(model)
    adapted = compact.packed(model)
    codes = {code.builtinCode for code in model.operatorCodes}
    assert schema.BuiltinOperator.ARG_MAX not in codes
    for rows in ([[1, 3, 3, 2], [5, 5, 5, 5]], [[-1, -1, -2, -1], [0, 1, 2, 3]]):
        values = np.array(rows, np.float32).reshape(2, 1, 1, 4)
        for before, after in zip(outputs(content, values), outputs(adapted, values), strict=True):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)

"""TFLite files: through LiteRT's other API, and what cannot be one."""

import dataclasses

import numpy as np
import pytest

from digitline.base.errors import UserError
from digitline.base.tf import tf
from digitline.export import options
from digitline.export.formats import tflite
from digitline.serving import artifacts


@pytest.mark.parametrize("variant", options.USUAL, ids=lambda variant: variant.name)
def test_compiled_model_gives_what_the_interpreter_gives(variant, exported, test_images):
    from ai_edge_litert.compiled_model import CompiledModel

    path = exported.tflite.with_name(variant.file)
    images = test_images[0][:20]
    expected = artifacts.open_tflite(path).run(images)
    model = CompiledModel.from_file(str(path))
    inputs = model.create_input_buffers(0)
    outputs = model.create_output_buffers(0)
    names = list(model.get_signature_by_index(0)["outputs"])
    for index, image in enumerate(images):
        inputs[0].write(image)
        model.run_by_index(0, inputs, outputs)
        first = names.index("probabilities")
        probabilities = outputs[first].read(10, np.float32)
        np.testing.assert_allclose(probabilities, expected["probabilities"][index], atol=1e-5)
        number = outputs[1 - first].read(1, np.int32)
        assert number[0] == expected["classes"][index]


def test_names_an_operation_that_tflite_does_not_have(trained_model, tmp_path):

    @dataclasses.dataclass(frozen=True)
    class Strange:
        image_shape: tuple

        def __call__(self, images):
            return trained_model.preprocess(images) + 1e-9 * tf.math.erfinv(
                tf.cast(images[:1, :1, :1], tf.float32)
            )

    strange = dataclasses.replace(trained_model, preprocess=Strange((28, 28, 1)))
    with pytest.raises(UserError, match=r"cannot be converted to TFLite: .*ops: Erfinv"):
        tflite.write(
            strange, tmp_path / "made", options.ExportOptions(tflite_variants=("float32",))
        )
    assert not list(tmp_path.rglob("*.tflite"))

"""TFLite files: through LiteRT's other API, and what cannot be one."""

import dataclasses

import numpy as np
import pytest

from digitline.base.errors import UserError
from digitline.base.pictures.config import PictureConfig
from digitline.base.tf import keras, tf
from digitline.data.pipeline.preprocess import Preprocess
from digitline.export import functions, options
from digitline.export.formats import quantize, tflite
from digitline.export.gate import calls
from digitline.serving import artifacts


def test_the_quantizer_says_one_line(exported, test_images, capfd, recwarn):
    quantize.int8(exported.tflite.read_bytes(), test_images[0][:20], False)
    assert capfd.readouterr().err == "taking int8's ranges from 20 images\n"
    assert not recwarn.list


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


@pytest.mark.parametrize(
    ("resizing", "io"), [("average", "uint8"), ("average", "int8"), ("resize", "uint8")]
)
def test_every_variant_resizes_as_the_model(resizing, io, tmp_path):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    preprocess = Preprocess((20, 12, 1), 8, 8, resizing, 0.5, 0.25)
    trained = functions.TrainedModel(
        model, preprocess, ("a", "b", "c"), PictureConfig(preprocess.image_shape)
    )
    images = np.random.default_rng(0).integers(0, 256, (20, 20, 12, 1), np.uint8)
    expected = tf.nn.softmax(trained.logits(tf.constant(images))).numpy()
    variants = tuple(options.VARIANTS) if io == "uint8" else ("int8",)
    export = options.ExportOptions(
        tflite_variants=variants, tflite_io=io, tflite_batch_size=3 if io == "int8" else 1
    )
    tflite.write(trained, tmp_path / "made", export, images)  # Not a whole number of batches.
    for artifact in tflite.artifacts(export):
        (signature,) = artifact.signatures
        inputs = calls.CALLS[signature.name].encode(images, trained)
        outputs = artifact.open(tmp_path / "made" / artifact.path).run(signature.name, inputs)
        limit = 1e-5 if artifact.limits is None else 0.05
        np.testing.assert_allclose(outputs["probabilities"], expected, atol=limit)


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

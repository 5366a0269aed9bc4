"""The signature table: the public interface of an export.

The exporter, the tests and the model card read it. Preprocessing is inside the
graph: a client sends raw pixels, never normalized ones.
"""

import dataclasses

from ..base.export_layout import DEFAULT_SIGNATURE

# In shapes: the batch size, the image's three sizes, the number of classes; three colours;
# the sizes of a layer's output.
N, H, W, C, K, HWC, RGB, LAYER = "N", "H", "W", "C", "K", "H·W·C", "3", "…"
# What SavedModels call the methods.
PREDICT, CLASSIFY_METHOD = "tensorflow/serving/predict", "tensorflow/serving/classify"


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One input or output of a signature."""

    name: str
    dtype: str
    shape: tuple[str, ...]
    meaning: str

    def sizes(
        self, image_shape: tuple[int, int, int], classes: int, batch_size: int | None
    ) -> list[int | None]:
        """The shape for one model; None where the batch size is open, or for a layer's output."""
        height, width, channels = image_shape
        known = {
            N: batch_size,
            H: height,
            W: width,
            C: channels,
            K: classes,
            HWC: height * width * channels,
            RGB: 3,
        }
        return [known.get(size) for size in self.shape]

    def __str__(self) -> str:
        return f"`{self.name}` {self.dtype} [{', '.join(self.shape)}]: {self.meaning}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way into an export; all have one input."""

    name: str
    input: Tensor
    outputs: tuple[Tensor, ...]
    method: str = PREDICT


SERVING_DEFAULT = Signature(
    name=DEFAULT_SIGNATURE,
    input=Tensor("images", "uint8", (N, H, W, C), "raw pixels, 0 to 255"),
    outputs=(
        Tensor("probabilities", "float32", (N, K), "of each class; they sum to 1"),
        Tensor("classes", "int64", (N,), "the most probable class"),
    ),
)
# Of TF Serving's own MNIST tutorial, whose clients send this.
PREDICT_IMAGES = Signature(
    name="predict_images",
    input=Tensor("images", "float32", (N, HWC), "pixels, 0 to 1, row by row"),
    outputs=(Tensor("scores", "float32", (N, K), "probability of each class"),),
)
PREDICT_BYTES = Signature(
    name="predict_bytes",
    input=Tensor("image_bytes", "string", (N,), "PNG, JPEG, WebP (not animated), BMP or GIF files"),
    outputs=SERVING_DEFAULT.outputs,
)
CLASSIFY = Signature(
    name="classify",
    input=Tensor("inputs", "string", (N,), "serialized tf.Example with the records' features"),
    outputs=(
        Tensor("classes", "string", (N, K), "names of the classes, best first"),
        Tensor("scores", "float32", (N, K), "their probabilities"),
    ),
    method=CLASSIFY_METHOD,
)

# For people who look inside, as the server's page lets them. A layer's activation function,
# and the normalization before it, count as the layer's own.
ACTIVATIONS = Signature(
    name="activations",
    input=SERVING_DEFAULT.input,
    outputs=(
        Tensor("01_LAYER", "float32", (N, LAYER), "the output of each layer; the last: the logits"),
    ),
)

# What an int8 file with integers in and out is quantized from.
INTEGER_IO = Signature(
    name=SERVING_DEFAULT.name,
    input=Tensor("images", "float32", (N, H, W, C), "pixels, 0 to 255"),
    outputs=SERVING_DEFAULT.outputs[:1],
)

# Of the TFLite file for MediaPipe, which knows no grey pictures.
CLASSIFY_RGB = Signature(
    name="classify_rgb",
    input=Tensor("images", "float32", (N, H, W, RGB), "red, green and blue, 0 to 255"),
    outputs=SERVING_DEFAULT.outputs[:1],
)

# In TFLite files: LiteRT's JavaScript refuses a file with int64 in it.
TFLITE_DEFAULT = Signature(
    name=SERVING_DEFAULT.name,
    input=SERVING_DEFAULT.input,
    outputs=(
        SERVING_DEFAULT.outputs[0],
        dataclasses.replace(SERVING_DEFAULT.outputs[1], dtype="int32"),
    ),
)

# What that file takes and gives.
INT8_IO = Signature(
    name=SERVING_DEFAULT.name,
    input=Tensor("images", "int8", (N, H, W, C), "raw pixels less 128, -128 to 127"),
    outputs=(Tensor("probabilities", "int8", (N, K), "of each class p: 256 p - 128"),),
)

SAVED_MODEL = (SERVING_DEFAULT, PREDICT_IMAGES, PREDICT_BYTES, CLASSIFY, ACTIVATIONS)

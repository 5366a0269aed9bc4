"""The signature table: the public interface of an export.

The exporter, the tests and the model card read it. Preprocessing is inside the
graph: a client sends raw pixels, never normalized ones.
"""

import dataclasses

# In shapes: the batch size, the image's three sizes, the number of classes.
N, H, W, C, K = "N", "H", "W", "C", "K"


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One input or output of a signature."""

    name: str
    dtype: str
    shape: tuple[str, ...]
    meaning: str

    def __str__(self) -> str:
        return f"`{self.name}` {self.dtype} [{', '.join(self.shape)}]: {self.meaning}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way into an export."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


SERVING_DEFAULT = Signature(
    name="serving_default",
    inputs=(Tensor("images", "uint8", (N, H, W, C), "raw pixels, 0 to 255"),),
    outputs=(
        Tensor("probabilities", "float32", (N, K), "of each class; they sum to 1"),
        Tensor("classes", "int64", (N,), "the most probable class"),
    ),
)

SAVED_MODEL = (SERVING_DEFAULT,)
TFLITE = (SERVING_DEFAULT,)

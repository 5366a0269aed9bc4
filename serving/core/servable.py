"""What the server runs: signatures with named tensors, whatever kind of file they come from."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..protocol import tensors

# Of a model's method for each API: what signatures carry as their method name.
PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One input or output.

    Attributes:
      dtype: number of a `tensorflow.DataType`.
      shape: with None where a size is open; None where not even the rank is known.
    """

    dtype: int
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way into a servable.

    Attributes:
      method: its method name.
      inputs: by their names in the signature.
      outputs: by theirs.
      strict: whether Classify and Regress refuse it unless it is of their method.
    """

    method: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    strict: bool = False

    @property
    def batched(self) -> bool:
        """Whether requests can be joined along the first axis: it is open in all tensors."""
        infos = [*self.inputs.values(), *self.outputs.values()]
        return all(info.shape and info.shape[0] is None for info in infos)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) where the only input is raw images, uint8 [N, H, W, C]."""
        shapes = [info.shape for info in self.inputs.values() if info.dtype == tensors.UINT8]
        if len(self.inputs) != 1 or not shapes or shapes[0] is None or len(shapes[0]) != 4:
            return None
        _, height, width, channels = shapes[0]
        return (height, width, channels) if height and width and channels else None


@dataclasses.dataclass(frozen=True)
class Servable:
    """One loaded version of a model.

    Attributes:
      signatures: by name.
      signature_defs: the same as the SavedModel's own messages
        (`tensorflow.SignatureDef` by name), for GetModelMetadata.
      run: takes a signature's name, its inputs by name (numpy arrays; strings are
        arrays of `bytes` with dtype object) and the names of the outputs that are
        wanted; gives those outputs in that order. May be called from many threads
        at once. Raises what the runtime raises; `status.from_exception` reads it.
      close: frees it. Nothing is run after it.
    """

    signatures: Mapping[str, Signature]
    signature_defs: Mapping[str, Any]
    run: Callable[[str, Mapping[str, np.ndarray], Sequence[str]], list[np.ndarray]]
    close: Callable[[], None]


def signature_from_def(signature_def: Any) -> Signature:
    """The signature that a `tensorflow.SignatureDef` states."""

    def infos(by_name: Any) -> dict[str, TensorInfo]:
        return {name: TensorInfo(info.dtype, _shape(info)) for name, info in by_name.items()}

    return Signature(
        signature_def.method_name, infos(signature_def.inputs), infos(signature_def.outputs)
    )


def _shape(info: Any) -> tuple[int | None, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(None if size.size < 0 else size.size for size in info.tensor_shape.dim)

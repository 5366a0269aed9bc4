"""What the server runs: signatures with named tensors, whatever kind of file they come from."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import grpc
import numpy as np

from ...base.export_layout import DEFAULT_SIGNATURE
from ..bounds.in_place import Compile
from ..protocol import messages, tensors
from ..protocol.status import StatusError, invalid

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

    def check(self, name: str, array: np.ndarray) -> None:
        """Compares an input's type with what the signature states.

        Its shape is the model's to judge, as in TF Serving: models are in use whose signatures
        state narrower shapes than they take.

        Raises:
          StatusError: INVALID_ARGUMENT.
        """
        expected = tensors.dtype_of(self.dtype)
        if array.dtype != expected:
            raise invalid(
                f"Expects input '{name}' to be {type_name(expected)} but "
                f"{type_name(array.dtype)} is provided"
            )

    def states(self, shape: Sequence[int]) -> bool:
        """Whether an array of this shape has the stated one."""
        return self.shape is None or (
            len(self.shape) == len(shape)
            and all(stated in (None, size) for stated, size in zip(self.shape, shape, strict=True))
        )


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way into a servable.

    Attributes:
      strict: whether Classify and Regress refuse it unless it is of their method.
      defaults: values of inputs that a gRPC Predict may leave out.
    """

    method: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]
    strict: bool = False
    defaults: Mapping[str, messages.TensorProto] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_def(cls, definition: messages.SignatureDef, strict: bool = False) -> "Signature":
        """What a `tensorflow.SignatureDef` states."""
        inputs, outputs = (
            {name: TensorInfo(info.dtype, _shape(info)) for name, info in infos.items()}
            for infos in (definition.inputs, definition.outputs)
        )
        defaults = {name: definition.defaults[name] for name in definition.defaults}
        return cls(definition.method_name, inputs, outputs, strict, defaults)

    def with_defaults(
        self, inputs: Mapping[str, messages.TensorProto]
    ) -> Mapping[str, messages.TensorProto]:
        """The inputs of a gRPC Predict, and the defaults of those that it leaves out."""
        return {**self.defaults, **inputs} if self.defaults else inputs

    @functools.cached_property  # Asked several times for each request.
    def batched(self) -> bool:
        """Whether requests can be joined along the first axis: it is open in all tensors."""
        infos = [*self.inputs.values(), *self.outputs.values()]
        return all(info.shape and info.shape[0] is None for info in infos)

    def rows(self, inputs: Mapping[str, np.ndarray]) -> int:
        """How many requests in one these inputs are; 0 where they cannot be told apart."""
        counts = {len(array) if array.ndim else 0 for array in inputs.values()}
        return counts.pop() if self.batched and len(counts) == 1 else 0

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
      signature_defs: the same as the SavedModel's own messages
        (`tensorflow.SignatureDef` by name), for GetModelMetadata.
      run: takes a signature's name, its inputs by name (numpy arrays; strings are
        arrays of `bytes` with dtype object) and the names of the outputs that are
        wanted; gives those outputs in that order. May be called from many threads
        at once. Raises what the runtime raises; `status.from_exception` reads it.
      close: frees it. Nothing is run after it.
      compiled: makes calls that are done on the event loop, where they are quick.
    """

    signatures: Mapping[str, Signature]
    signature_defs: Mapping[str, messages.SignatureDef]
    run: Callable[[str, Mapping[str, np.ndarray], Sequence[str]], list[np.ndarray]]
    close: Callable[[], None]
    compiled: Compile = lambda _: None

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) where it takes raw images, grey or RGB; else None."""
        signature = self.signatures.get(DEFAULT_SIGNATURE)
        shape = signature.image_shape if signature else None
        return shape if shape and shape[2] in (1, 3) else None

    def signature(self, name: str) -> Signature:
        """One of the signatures.

        Raises:
          StatusError: FAILED_PRECONDITION, as TF Serving's gRPC interface has it.
        """
        signature = self.signatures.get(name)
        if signature is None:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        return signature


def type_name(dtype: np.dtype) -> str:
    """How errors call a dtype."""
    return "string" if dtype.kind == "O" else dtype.name


def _shape(info: messages.TensorInfo) -> tuple[int | None, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)

"""A SavedModel as TF Serving and TensorFlow's C API run it: its SignatureDefs, in a session.

TensorFlow's loader goes by the functions in the file, and never looks at a SignatureDef's tensors.
Neither of the two looks at the shapes that are stated: the graph must.
"""

import contextlib
import dataclasses
import functools
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ....base import files
from ....base.errors import VerificationError, first_line
from ....base.tf import tf
from ....serving.artifacts import Outputs
from ...functions import TrainedModel
from ...signatures import Signature
from ..calls import CALLS
from ..comparison import TOLERANCE
from ..reference import Reference
from ..staged import Staged

# Of the split.
_IMAGES = 3


def require(staged: Staged, reference: Reference) -> None:
    """Compares both ways in on some images, and tries both with images of another shape.

    Raises:
      VerificationError: names the signature, the output, and by how much it is off; or the shape.
    """
    trained, calls = reference.trained, []
    images = np.concatenate([reference.split.images[:_IMAGES], reference.awkward.images])
    for signature in staged.artifact.signatures:
        value = CALLS[signature.name].encode(images, trained)
        outputs = staged.run(signature.name, value)
        run = functools.partial(staged.opened.run, signature.name)
        _require_refusal(_Call(staged, signature, trained, run, "its function"), value)
        calls.append((signature, value, outputs))
    with _in_session(staged) as runs:
        for signature, value, outputs in calls:
            call = _Call(staged, signature, trained, runs[signature.name], "in a session it")
            _require_equal(call, value, outputs)
            _require_equal(call, value[:1], {name: each[:1] for name, each in outputs.items()})
            _require_refusal(call, value)


@dataclasses.dataclass(frozen=True)
class _Call:
    """A way into a signature: from its input to its outputs; who gives them, in words."""

    staged: Staged
    signature: Signature
    trained: TrainedModel
    run: Callable[[np.ndarray], Outputs]
    who: str

    def __str__(self) -> str:
        return f"{self.staged.artifact.title}, {self.signature.name}: {self.who}"


@contextlib.contextmanager
def _in_session(staged: Staged) -> Iterator[dict[str, Callable[[np.ndarray], Outputs]]]:
    """Each signature in a session, as C++ runs it: Python's `run` looks at shapes itself."""
    v1: Any = tf.compat.v1
    options = importlib.import_module("tensorflow.core.protobuf.config_pb2").CallableOptions
    with tf.Graph().as_default(), v1.Session() as session:
        with files.literal(staged.folder) as place:
            graph = v1.saved_model.load(session, [tf.saved_model.SERVING], str(place))

        @functools.cache
        def callable_of(name: str) -> Callable[[np.ndarray], list[np.ndarray]]:
            stated = graph.signature_def[name]
            taken = [info.name for info in stated.inputs.values()]
            given = [info.name for info in stated.outputs.values()]
            return session._make_callable_from_options(options(feed=taken, fetch=given))

        def run(name: str, values: np.ndarray) -> Outputs:
            outputs = callable_of(name)(values)
            return dict(zip(graph.signature_def[name].outputs, outputs, strict=True))

        names = [signature.name for signature in staged.artifact.signatures]
        yield {name: functools.partial(run, name) for name in names}


def _require_equal(call: _Call, value: np.ndarray, outputs: Outputs) -> None:
    """Compares a session's outputs with the function's."""
    try:
        answers = call.run(value)
    except Exception as error:  # Whatever TensorFlow raises.
        raise VerificationError(
            f"{call} refuses {len(value)} images: {first_line(error)}; nothing was published"
        ) from error
    if sorted(answers) != sorted(outputs):
        raise VerificationError(
            f"{call} gives {', '.join(sorted(answers))}, its signature "
            f"{', '.join(sorted(outputs))}; nothing was published"
        )
    for name, expected in outputs.items():
        off = _difference(answers[name], expected)
        if not off <= TOLERANCE:
            raise VerificationError(
                f"{call} gives {name} that are off by {off:.3g} from what its function gives for "
                f"{len(value)} images; nothing was published"
            )


def _require_refusal(call: _Call, value: np.ndarray) -> None:
    """Shows it images of twice the size, or a table of files."""
    wrong = value[np.newaxis] if value.ndim == 1 else np.repeat(value, 2, axis=1)
    stated, trained = call.signature.input, call.trained
    sizes = stated.sizes(trained.image_shape, len(trained.label_names), None)
    expected = ",".join("?" if size is None else str(size) for size in sizes)
    try:
        answers = call.run(wrong)
    except Exception as error:  # Whatever TensorFlow raises.
        said = " ".join(str(error).split())
        if f"not compatible with expected shape [{expected}]" in said:
            return
        does = f"refuses otherwise than by their shape: {first_line(error)}"
    else:
        shapes = (f"{name} {list(answer.shape)}" for name, answer in sorted(answers.items()))
        does = f"answers by {', '.join(shapes)}"
    raise VerificationError(
        f"{call}, given {stated.name} {list(wrong.shape)} for [{expected}], {does}; nothing was "
        "published"
    )


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest of numbers, as a part of the largest expected; infinite of other things."""
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return np.inf
    if expected.dtype.kind == "f":
        return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    return 0.0 if np.array_equal(found, expected) else np.inf

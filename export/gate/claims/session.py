"""A SavedModel as TF Serving and TensorFlow's C API run it: its SignatureDefs, in a session.

TensorFlow's loader goes by the functions in the file, and never looks at a SignatureDef's tensors.
"""

from typing import Any

import numpy as np

from ....base.errors import VerificationError, first_line
from ....base.tf import tf
from ..calls import CALLS
from ..comparison import TOLERANCE
from ..reference import Reference
from ..staged import Staged

# Of the split.
_IMAGES = 3


def require(staged: Staged, reference: Reference) -> None:
    """Compares both ways in on some images.

    Raises:
      VerificationError: names the signature, the output, and by how much it is off.
    """
    images = reference.split.images[:_IMAGES]
    signatures = staged.artifact.signatures
    values = {each.name: CALLS[each.name].encode(images, reference.trained) for each in signatures}
    functions = {name: staged.run(name, value) for name, value in values.items()}
    v1: Any = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        graph = v1.saved_model.load(session, [tf.saved_model.SERVING], str(staged.folder))
        for name, outputs in functions.items():
            stated = graph.signature_def[name]
            (taken,) = stated.inputs.values()
            given = {key: info.name for key, info in stated.outputs.items()}
            try:
                answers = session.run(given, {taken.name: values[name]})
            except Exception as error:  # Whatever TensorFlow raises.
                raise VerificationError(
                    f"{staged.artifact.title}, {name}: in a session it refuses {len(images)} "
                    f"images: {first_line(error)}; nothing was published"
                ) from error
            for key, expected in outputs.items():
                off = _difference(answers[key], expected)
                if not off <= TOLERANCE:
                    raise VerificationError(
                        f"{staged.artifact.title}, {name}: in a session its {key} is off by "
                        f"{off:.3g} from what its function gives for {len(images)} images; "
                        "nothing was published"
                    )


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest of numbers, as a part of the largest expected; infinite of other things."""
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return np.inf
    if expected.dtype.kind == "f":
        return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    return 0.0 if np.array_equal(found, expected) else np.inf

"""Predict, classify and regress on a model: what the gRPC and the REST interface share.

The rules and the texts of errors are TF Serving's (its sources, `servables/tensorflow`:
predict_util.cc, classifier.cc, regressor.cc).
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ..protocol import tensors
from ..protocol.models import VersionStatus
from ..protocol.status import from_exception, invalid
from .executor import Lease
from .servable import CLASSIFY_METHOD, REGRESS_METHOD, Servable, Signature, type_name

# Names that signatures of Classify and Regress must have.
_EXAMPLES, _CLASSES, _SCORES, _VALUES = "inputs", "classes", "scores", "outputs"

_ROWS = 256  # Examples whose answers are read without a pause.


class Target(NamedTuple):
    """Which model a request means: the latest version where neither number nor label is given."""

    name: str
    version: int | None = None
    label: str | None = None


class Models(Protocol):
    """The models that a server has: what its interfaces need of the manager."""

    def lease(self, target: Target) -> contextlib.AbstractContextManager[Lease]:
        """A loaded version; raises StatusError: NOT_FOUND, INVALID_ARGUMENT, UNAVAILABLE."""
        ...

    def status(self, target: Target) -> Sequence[VersionStatus]:
        """All versions of a model, or one; raises as `lease`."""
        ...

    def names(self) -> Sequence[str]:
        """The configured models."""
        ...


async def predict(
    lease: Lease,
    signature_name: str,
    inputs: Mapping[str, np.ndarray],
    wanted: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Runs a signature.

    Args:
      lease: the version that answers.
      signature_name: which signature.
      inputs: by name; strings as arrays of `bytes` with dtype object.
      wanted: names of outputs; empty for all.

    Returns:
      The outputs by name.

    Raises:
      StatusError: the inputs are not the signature's, or the model refuses them.
    """
    signature = lease.servable.signature(signature_name)
    check_names(signature, inputs, wanted)
    for name, array in inputs.items():
        signature.inputs[name].check(name, array)
    names = list(wanted or signature.outputs)
    values = await _run(lease, "Predict", signature_name, inputs, names)
    return dict(zip(names, values, strict=True))


async def classify(
    lease: Lease, signature_name: str, examples: Sequence[bytes]
) -> list[list[tuple[str, float]]]:
    """Labels and scores of each example, in the order that the model gives.

    Args:
      lease: the version that answers.
      signature_name: of a signature with the input `inputs` and the outputs `classes`
        (string [N, K]), `scores` (float32 [N, K]) or both.
      examples: serialized `tf.Example`s.

    Raises:
      StatusError: it is not such a signature, or the model refuses the examples.
    """
    signature = _of_examples(lease.servable, signature_name, "classification", CLASSIFY_METHOD)
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    names = [name for name in (_CLASSES, _SCORES) if name in signature.outputs]
    if not names:
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature has: {_set(signature.outputs)}'
        )
    values = await _run(lease, "Classify", signature_name, _inputs(examples), names)
    outputs = dict(zip(names, values, strict=True))
    for name, kind, word in ((_CLASSES, "O", "DT_STRING"), (_SCORES, "f", "DT_FLOAT")):
        if name in outputs and outputs[name].dtype.kind != kind:
            kind = type_name(outputs[name].dtype)
            raise invalid(f"Expected {name} Tensor of {word}. Got: {kind}")
    for name, value in outputs.items():
        if value.ndim != 2 or len(value) != len(examples):
            raise invalid(
                f"Expected Tensor shape: [batch_size num_classes] for {name}, but got {value.shape}"
            )
    shape = values[0].shape
    if any(value.shape != shape for value in values):
        raise invalid("Tensors class and score should match in shape.")
    classes = outputs.get(_CLASSES, np.full(shape, b"", object))
    scores = outputs.get(_SCORES, np.zeros(shape, np.float32))
    answers = []
    for start in range(0, len(classes), _ROWS):
        if start:
            await asyncio.sleep(0)  # Others have their turn.
        rows = zip(classes[start : start + _ROWS], scores[start : start + _ROWS], strict=True)
        for row in rows:
            answers.append(
                [(_text(label), float(score)) for label, score in zip(*row, strict=True)]
            )
    return answers


async def regress(lease: Lease, signature_name: str, examples: Sequence[bytes]) -> list[float]:
    """A number for each example.

    Args:
      lease: the version that answers.
      signature_name: of a signature with the input `inputs` and the output `outputs`,
        float32 [N] or [N, 1].
      examples: serialized `tf.Example`s.

    Raises:
      StatusError: it is not such a signature, or the model refuses the examples.
    """
    signature = _of_examples(lease.servable, signature_name, "regression", REGRESS_METHOD)
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if _VALUES not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {_set(signature.outputs)}")
    (value,) = await _run(lease, "Regress", signature_name, _inputs(examples), [_VALUES])
    if value.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {type_name(value.dtype)}")
    if value.shape not in ((len(examples),), (len(examples), 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{list(value.shape)}"
        )
    return value.ravel().tolist()


async def _run(
    lease: Lease, api: str, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
) -> list[np.ndarray]:
    try:
        return await lease.run(api, signature, inputs, outputs)
    except Exception as error:
        raise from_exception(error) from error


def check_names(signature: Signature, inputs: Collection[str], wanted: Sequence[str]) -> None:
    """Compares the names of inputs, and of the outputs that are wanted, with the signature's.

    Inputs that have a default may be missing.

    Raises:
      StatusError: INVALID_ARGUMENT, in TF Serving's words.
    """
    if not wanted and len(inputs) == len(signature.inputs):
        for name in signature.inputs:
            if name not in inputs:
                break
        else:
            return  # As nearly all do, and quickly.
    sent, expected = set(inputs), set(signature.inputs)
    if sent - expected or expected - sent - signature.defaults.keys():
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({_set(sent)}) != len({_set(expected)}). Sent extra: {_set(sent - expected)}. "
            f"Missing but required: {_set(expected - sent)}."
        )
    seen: set[str] = set()
    for name in wanted:
        if name not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in "
                f"the set {_set(signature.outputs)}."
            )
        if name in seen:
            raise invalid(f"duplicate output tensor alias: {name}")
        seen.add(name)


def _of_examples(servable: Servable, name: str, what: str, method: str) -> Signature:
    """A signature that takes examples.

    Raises:
      StatusError: INVALID_ARGUMENT, also where Predict has FAILED_PRECONDITION: there is none of
        this name, or it does not take them.
    """
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name}")
    if signature.strict and signature.method != method:
        raise invalid(
            f"Expected {what} signature method_name to be {method}. Was: {signature.method}"
        )
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    info = signature.inputs.get(_EXAMPLES)
    if info is None:
        raise invalid(f"No {what} inputs found in SignatureDef: {_set(signature.inputs)}")
    if info.dtype != tensors.STRING:
        raise invalid(f"The {what} input '{_EXAMPLES}' takes no serialized tf.Example")
    return signature


def _inputs(examples: Sequence[bytes]) -> dict[str, np.ndarray]:
    if not examples:
        raise invalid("Input is empty.")
    return {_EXAMPLES: tensors.string_array(examples)}


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"

"""The client over REST: what is sent and read, as JSON."""

import base64
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import json_format

from ..core.servable import Signature, TensorInfo
from ..description import Description
from ..protocol import messages, tensors
from ..protocol.described import DESCRIPTION
from .async_http import AsyncTransport
from .blocking_http import Transport
from .calls import Call, ModelSpec, VersionStatus, description, signatures, statuses

__all__ = [
    "NEEDS_SIGNATURE",
    "AsyncTransport",
    "Transport",
    "describe",
    "metadata",
    "predict",
    "status",
]

# JSON has no types, and an only output has no name: the signature states both.
NEEDS_SIGNATURE = True


def predict(
    model: ModelSpec,
    name: str,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str],
    signature: Signature | None,
) -> Call[dict[str, np.ndarray]]:
    """The call of `:predict`, in column form.

    Raises:
      ValueError: JSON has no place for an input.
    """
    del outputs  # REST gives all of them.
    assert signature is not None
    columns = {key: _to_json(array) for key, array in inputs.items()}
    body = json.dumps({"signature_name": name, "inputs": columns}).encode()
    infos = signature.outputs

    def read(content: bytes) -> dict[str, np.ndarray]:
        answer = _loads(content)["outputs"]
        if len(infos) == 1:
            answer = dict.fromkeys(infos, answer)
        return {key: _from_json(answer[key], info) for key, info in infos.items()}

    return Call(f"{_path(model)}:predict", body, read)


def status(model: ModelSpec) -> Call[list[VersionStatus]]:
    """The call of a model's status."""

    def read(content: bytes) -> list[VersionStatus]:
        response = messages.GetModelStatusResponse()
        return statuses(
            json_format.ParseDict(_loads(content), response, ignore_unknown_fields=True)
        )

    return Call(_path(model), None, read)


def metadata(model: ModelSpec) -> Call[dict[str, Signature]]:
    """The call of a model's metadata."""

    def read(content: bytes) -> dict[str, Signature]:
        stated = messages.SignatureDefMap()
        definitions = _loads(content)["metadata"]["signature_def"]
        return signatures(json_format.ParseDict(definitions, stated, ignore_unknown_fields=True))

    return Call(f"{_path(model)}/metadata", None, read)


def describe(model: ModelSpec) -> Call[Description]:
    """The call for what the files of a model say, which only `digitline serve` answers."""
    return Call(f"{_path(model)}/{DESCRIPTION}", None, description)


def _path(model: ModelSpec) -> str:
    path = f"/v1/models/{urllib.parse.quote(model.name, safe='')}"
    if model.version is not None:
        return f"{path}/versions/{model.version}"
    if model.label:
        return f"{path}/labels/{urllib.parse.quote(model.label, safe='')}"
    return path


def _to_json(array: np.ndarray) -> object:
    if array.dtype.kind in "OSU":
        return np.vectorize(_encoded, otypes=[object])(array).tolist()
    if array.dtype.kind not in "biufV":
        raise ValueError(f"JSON has no {array.dtype}; gRPC has")
    if array.dtype.name not in ("float32", "float64") and array.dtype.kind in "fV":
        array = array.astype(np.float32)  # float16, bfloat16 …
    return array.tolist()


def _from_json(value: object, info: TensorInfo) -> np.ndarray:
    if info.dtype == tensors.STRING:
        return np.vectorize(_decoded, otypes=[object])(np.array(value, object))
    return np.array(value, tensors.dtype_of(info.dtype))


def _encoded(value: object) -> dict[str, str]:
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        raise ValueError(f"an array of objects must hold strings; got {type(value).__name__}")
    return {"b64": base64.b64encode(value).decode()}


def _decoded(value: object) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {type(value).__name__}")
    return value.encode(errors="surrogateescape")


def _loads(content: bytes) -> Any:
    # Strings of a model need not be UTF-8; TF Serving writes their bytes as they are.
    return json.loads(content.decode(errors="surrogateescape"))

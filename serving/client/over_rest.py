"""The client's REST: what is sent and read, and the connections."""

import base64
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import json_format

from ..core.servable import Signature, TensorInfo, signature_from_def
from ..protocol import messages, tensors
from .calls import Call, Model

# JSON has no types, and a lone output has no name: the signature states both.
NEEDS_SIGNATURE = True


def predict(
    model: Model,
    signature: str,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str],
) -> Call:
    """The call of `:predict`, in column form.

    Raises:
      ValueError: JSON has no place for an input.
    """
    del outputs  # REST gives all of them.
    columns = {name: _to_json(array) for name, array in inputs.items()}
    body = {"signature_name": signature, "inputs": columns}
    return Call(f"{_path(model)}:predict", json.dumps(body).encode())


def read_predict(content: bytes, signature: Signature | None) -> dict[str, np.ndarray]:
    """The outputs in the answer, with the names and types that the signature states."""
    assert signature is not None
    found = _loads(content)["outputs"]
    if len(signature.outputs) == 1:
        found = dict.fromkeys(signature.outputs, found)
    return {name: _from_json(found[name], info) for name, info in signature.outputs.items()}


def status(model: Model) -> Call:
    """The call of a model's status."""
    return Call(_path(model), None)


def read_status(content: bytes) -> Any:
    """A `GetModelStatusResponse`."""
    return json_format.ParseDict(
        _loads(content), messages.GetModelStatusResponse(), ignore_unknown_fields=True
    )


def metadata(model: Model) -> Call:
    """The call of a model's metadata."""
    return Call(f"{_path(model)}/metadata", None)


def read_metadata(content: bytes) -> dict[str, Signature]:
    """The signatures in the answer."""
    found = json_format.ParseDict(
        _loads(content)["metadata"]["signature_def"],
        messages.SignatureDefMap(),
        ignore_unknown_fields=True,
    )
    return {name: signature_from_def(each) for name, each in found.signature_def.items()}


def _path(model: Model) -> str:
    path = f"/v1/models/{urllib.parse.quote(model.name, safe='')}"
    if model.version is not None:
        return f"{path}/versions/{model.version}"
    if model.label:
        return f"{path}/labels/{urllib.parse.quote(model.label, safe='')}"
    return path


def _to_json(array: np.ndarray) -> Any:
    if array.dtype.kind in "OSU":
        return _map(array.tolist(), _encoded)
    if array.dtype.kind not in "biufV":
        raise ValueError(f"JSON has no {array.dtype}; gRPC has")
    if array.dtype.name not in ("float32", "float64") and array.dtype.kind in "fV":
        array = array.astype(np.float32)  # float16, bfloat16 …
    return array.tolist()


def _from_json(value: Any, info: TensorInfo) -> np.ndarray:
    if info.dtype != tensors.STRING:
        return np.array(value, tensors.dtype_of(info.dtype))
    strings = np.array(_map(value, _decoded), object)
    return strings if strings.ndim else strings.reshape(())


def _map(value: Any, function: Any) -> Any:
    """Applies a function to what is in nested lists."""
    if isinstance(value, list):
        return [_map(each, function) for each in value]
    return function(value)


def _encoded(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        raise ValueError(f"an array of objects must hold strings; got {type(value).__name__}")
    return {"b64": base64.b64encode(value).decode()}


def _decoded(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode(errors="surrogateescape")


def _loads(content: bytes) -> Any:
    # Strings of a model need not be UTF-8; TF Serving writes their bytes as they are.
    return json.loads(content.decode(errors="surrogateescape"))

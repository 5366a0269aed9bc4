"""From the body of a REST request to tensors and examples: on the event loop or in the worker."""

import zlib
from collections.abc import Mapping
from typing import TypeAlias

import grpc
import numpy as np

from ...base.export_layout import DEFAULT_SIGNATURE
from ..bounds.limits import Effort, ElsewhereError, Limits, check_rows
from ..core.servable import TensorInfo
from ..protocol.status import StatusError, invalid
from . import json_examples, json_tensors, json_text

# Bytes: a larger body is read in the worker.
LARGE = 256 << 10
# The inputs of each signature.
Inputs: TypeAlias = Mapping[str, Mapping[str, TensorInfo]]


def predict(
    body: bytes, is_packed: bool, limits: Limits, signatures: Inputs | None, effort: Effort
) -> tuple[str, dict[str, np.ndarray], bool]:
    """What a predict request asks for.

    Args:
      body: as it came.
      is_packed: whether with gzip.
      limits: of it.
      signatures: of the model; None if there is no such model, which is not worth more than
        looking for errors that come before that one.
      effort: what it may take.

    Returns:
      The signature's name, its inputs, and whether they are in rows.

    Raises:
      StatusError: as of `json_text.parse` and `json_tensors.read_inputs`; or there is no such
        signature.
      ElsewhereError: of `effort`.
    """
    document = _document(body, is_packed, limits, effort)
    name = json_tensors.signature_name(document) or DEFAULT_SIGNATURE
    if signatures is None:
        return name, {}, False
    infos = signatures.get(name)
    if infos is None:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    _check_rows(document, "instances", limits)
    return name, *json_tensors.read_inputs(document, infos, effort)


def examples(
    body: bytes, is_packed: bool, limits: Limits, effort: Effort
) -> tuple[str, list[bytes]]:
    """What a classify or regress request asks for: a signature's name and serialized examples.

    Raises:
      StatusError: as of `json_text.parse` and `json_examples.read`.
      ElsewhereError: of `effort`.
    """
    document = _document(body, is_packed, limits, effort)
    name = json_tensors.signature_name(document) or DEFAULT_SIGNATURE
    _check_rows(document, "examples", limits)
    return name, json_examples.read(document, limits.body_bytes, effort)


def stated_size(body: bytes) -> int:
    """How many bytes a gzip stream states that it becomes: its last field."""
    return int.from_bytes(body[-4:], "little")


def unpack(body: bytes, limit: int) -> bytes:
    """A body that is packed with gzip, unpacked.

    Args:
      body: packed.
      limit: of the bytes that it becomes.

    Raises:
      StatusError: they are more (413), or it is not one whole gzip stream.
    """
    stream = zlib.decompressobj(wbits=31)  # With gzip's header.
    try:
        unpacked = stream.decompress(body, limit + 1)
    except zlib.error:
        raise invalid("Failed to uncompress the gzipped body") from None
    if len(unpacked) > limit:
        raise too_large(limit)
    if not stream.eof or stream.unused_data:
        raise invalid("Failed to uncompress the gzipped body")
    return unpacked


def too_large(limit: int) -> StatusError:
    """Says that a body is."""
    return StatusError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"The request's body is larger than {limit} bytes.",
        http_status=413,
    )


def _document(body: bytes, is_packed: bool, limits: Limits, effort: Effort) -> json_text.JsonObject:
    if effort.here and max(len(body), stated_size(body) if is_packed else 0) > LARGE:
        raise ElsewhereError
    if is_packed:
        body = unpack(body, LARGE if effort.here else limits.body_bytes)
    if len(body) > LARGE and body.count(b"[") + body.count(b"{") > limits.brackets:
        raise StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"The request's body holds over {limits.brackets} lists and objects.",
            http_status=413,
        )
    return json_text.as_object(json_text.parse(body, limits.depth, effort))


def _check_rows(document: json_text.JsonObject, key: str, limits: Limits) -> None:
    values = document.get(key)
    if isinstance(values, list):
        check_rows(len(values), limits.rows)

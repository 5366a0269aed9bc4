"""What the REST interface answers beside predictions: errors, status, metadata."""

from collections.abc import Sequence
from typing import Protocol

import orjson
from aiohttp import web
from google.protobuf import json_format

from ..core.inference import Lease
from ..protocol.status import CODES


class State(Protocol):
    """An enum's member: one of TF Serving's states of a version."""

    @property
    def name(self) -> str: ...


class VersionStatus(Protocol):
    """How it stands with one version of a model."""

    @property
    def version(self) -> int: ...
    @property
    def state(self) -> State: ...
    @property
    def error_code(self) -> int: ...
    @property
    def error_message(self) -> str: ...


def error(http_status: int, message: str) -> web.Response:
    """An error as TF Serving writes it; what is not UTF-8 in its text is marked as such."""
    text = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    response = web.Response(
        status=http_status,
        body=orjson.dumps({"error": text}),
        content_type="application/json",
    )
    if http_status in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


def status(versions: Sequence[VersionStatus]) -> bytes:
    """The versions of a model, as TF Serving's GetModelStatus."""
    return orjson.dumps(
        {
            "model_version_status": [
                {
                    "version": str(each.version),
                    "state": each.state.name,
                    "status": {
                        "error_code": CODES[each.error_code].name,
                        "error_message": each.error_message,
                    },
                }
                for each in versions
            ]
        },
        option=orjson.OPT_INDENT_2,
    )


def metadata(lease: Lease) -> bytes:
    """The signatures of a version, as TF Serving's GetModelMetadata."""
    signatures = {
        name: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, definition in lease.servable.signature_defs.items()
    }
    spec = {"name": lease.name, "signature_name": "", "version": str(lease.version)}
    return orjson.dumps(
        {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}},
        option=orjson.OPT_INDENT_2,
    )

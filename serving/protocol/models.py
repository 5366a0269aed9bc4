"""What the server says of its models: the answers of GetModelStatus and GetModelMetadata."""

import dataclasses
import enum
from collections.abc import Iterable, Mapping

from . import messages


class State(enum.IntEnum):
    """Of a version, numbered as `ModelVersionStatus.State` of TF Serving."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """What GetModelStatus says of a version.

    Attributes:
      error_code: gRPC's number; 0 where nothing is wrong.
      error_message: why it did not load, or "".
    """

    version: int
    state: State
    error_code: int = 0
    error_message: str = ""


def status(versions: Iterable[VersionStatus]) -> messages.GetModelStatusResponse:
    """The answer of GetModelStatus."""
    response = messages.GetModelStatusResponse()
    for version in versions:
        entry = response.model_version_status.add(version=version.version, state=int(version.state))
        entry.status.error_code = version.error_code
        entry.status.error_message = version.error_message
    return response


def signature_map(
    signature_defs: Mapping[str, messages.SignatureDef],
) -> messages.SignatureDefMap:
    """The signatures of a version, as GetModelMetadata's answer holds them."""
    signatures = messages.SignatureDefMap()
    for name, definition in signature_defs.items():
        signatures.signature_def[name].CopyFrom(definition)
    return signatures

"""What the server says of its models: the answers of GetModelStatus and GetModelMetadata."""

from collections.abc import Iterable, Mapping
from typing import Protocol, SupportsInt

from . import messages


class VersionStatus(Protocol):
    """The state of one version of a model."""

    @property
    def version(self) -> int: ...
    @property
    def state(self) -> SupportsInt: ...
    @property
    def error_code(self) -> int: ...
    @property
    def error_message(self) -> str: ...


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

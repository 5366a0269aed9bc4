"""What a gRPC request asks for: its model; and which model answered it."""

from ..core.inference import Lease, Target
from ..protocol import messages
from ..protocol.status import invalid


def model_name(request: messages.PredictRequest) -> str:
    """The model's name in any request; empty where there is none."""
    if hasattr(request, "model_spec"):
        return request.model_spec.name
    return next((task.model_spec.name for task in getattr(request, "tasks", ())), "")


def spec_of(request: messages.PredictRequest) -> messages.ModelSpec:
    """The ModelSpec of any request that has one.

    Raises:
      StatusError: INVALID_ARGUMENT: it is not set.
    """
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def target_of(spec: messages.ModelSpec) -> Target:
    """Which model a ModelSpec means."""
    choice = spec.WhichOneof("version_choice")
    return Target(
        spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
    )


def fill_spec(spec: messages.ModelSpec, lease: Lease, signature: str = "") -> None:
    """States in an answer which model gave it."""
    spec.name = lease.name
    spec.version.value = lease.version
    spec.signature_name = signature

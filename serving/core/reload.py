"""What a new configuration must satisfy, in TF Serving's words (its source, server_core.cc)."""

from collections.abc import Mapping, Sequence

import grpc

from ..protocol.status import StatusError, invalid
from .config import ModelConfig
from .lifecycle import Model


def check(
    configs: Sequence[ModelConfig], models: Mapping[str, Model], labels_for_unavailable: bool
) -> None:
    """Refuses a configuration that contradicts the models in force. Under their lock.

    Args:
      configs: the new ones.
      models: those in force.
      labels_for_unavailable: whether a new label may name a version that is not loaded.

    Raises:
      StatusError: INVALID_ARGUMENT or FAILED_PRECONDITION.
    """
    for config in configs:
        name, model = config.name, models.get(config.name)
        if model is not None and model.config.platform != config.platform:
            raise invalid(
                f"Illegal to change a model's platform. For model {name} platform was "
                f"{model.config.platform} and new platform requested is {config.platform}"
            )
        for label, number in config.labels.items():
            # As in TF Serving: with the flag, a label may wait for its version, but
            # one that requests rely on does not move to a version that is not there.
            assigned = model.config.labels.get(label, number) if model else number
            waits = labels_for_unavailable and assigned == number
            if not waits and (model is None or number not in model.serving):
                raise StatusError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {name}, which is "
                    "not currently available for inference",
                )


def check_loaded(models: Sequence[Model]) -> None:
    """Names models of which no version loads. Under their lock.

    Raises:
      StatusError: UNKNOWN, in TF Serving's words.
    """
    failed = [
        version
        for model in models
        if not model.serving
        for version in model.versions.values()
        if version.failed
    ]
    if not failed:
        return
    reasons = ", ".join(f"{{{version} due to error: {version.error}}}" for version in failed)
    raise StatusError(
        grpc.StatusCode.UNKNOWN, f"{len(failed)} model(s) did not become available: {{{reasons}}}"
    )

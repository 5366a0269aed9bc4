"""What the server tells of a version beside its signatures: what its files say of the model.

Our own, beside TF Serving's interfaces: over REST at `…/description`, and over gRPC a field
`description` of GetModelMetadata. TF Serving refuses both.
"""

import json
from pathlib import Path

import grpc

from ...base import configs
from ...base.errors import UserError
from ..description import describe_version
from .status import StatusError, invalid

# The path's last part, and the name of the field.
DESCRIPTION = "description"


def described(folder: Path, shape: tuple[int, int, int] | None) -> str:
    """The `Description` of a version as JSON.

    Args:
      folder: of the version.
      shape: (height, width, channels) of the raw images that it takes; None if it does not.

    Raises:
      StatusError: INVALID_ARGUMENT: it takes no images; DATA_LOSS: the files are damaged.
    """
    if shape is None:
        raise invalid("this model takes no images")
    try:
        return json.dumps(configs.to_config(describe_version(folder, shape)))
    except UserError as error:
        raise StatusError(grpc.StatusCode.DATA_LOSS, str(error)) from error

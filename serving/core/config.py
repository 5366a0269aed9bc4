"""What to serve, as its user states it: flags, or TF Serving's ModelServerConfig.

Source of the format: https://www.tensorflow.org/tfx/serving/serving_config.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from absl import logging
from google.protobuf import text_format

from ...base import addresses, files
from ...base.errors import UserError
from ..protocol import messages

TENSORFLOW, TFLITE = "tensorflow", "tflite"

# Bytes of a file that people write.
LARGEST = 16 << 20
_MESSAGE = "tensorflow.serving.ModelServerConfig"


@dataclasses.dataclass(frozen=True)
class Latest:
    """The highest `count` versions."""

    count: int = 1


@dataclasses.dataclass(frozen=True)
class All:
    """All versions that are there."""


@dataclasses.dataclass(frozen=True)
class Specific:
    """These versions and no others."""

    versions: tuple[int, ...]


Policy = Latest | All | Specific


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
      base_path: the folder of its versions, absolute; of an address, its mirror.
      policy: which of them to serve.
      labels: version by label.
      platform: `tensorflow`, or `tflite` to take only the TFLite file of each version.
    """

    name: str
    base_path: Path
    policy: Policy = Latest()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    platform: str = TENSORFLOW


def from_flags(model_name: str, model_base_path: str) -> tuple[ModelConfig, ...]:
    """The one model that the flags of these names state; raises as `from_message`."""
    return (_model(messages.ModelConfig(name=model_name, base_path=model_base_path)),)


def read(path: Path) -> bytes:
    """The content of a config file.

    Raises:
      DataError: there is no such file, or it is no file, or one that is far too large.
      OSError: this user may not read it.
    """
    return files.read_bytes(path, LARGEST)


def parse(content: bytes, path: Path, *, again: bool = False) -> tuple[ModelConfig, ...]:
    """The models that a config file lists; none where it states nothing.

    Args:
      content: of the file: a text-format ModelServerConfig.
      path: of the file.
      again: whether this replaces a config that is in force. A file that states
        nothing, perhaps one that is being written, then is an error.

    Raises:
      UserError: it is not such a file.
    """
    try:
        message = text_format.Parse(content.decode(), messages.ModelServerConfig())
        if again and message.WhichOneof("config") is None:
            raise UserError("Taking no action for empty config.")
        return from_message(message)
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise UserError(f"{path}: Error parsing text-format {_MESSAGE}: {error}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def from_message(config: messages.ModelServerConfig) -> tuple[ModelConfig, ...]:
    """The models that a ModelServerConfig message lists.

    Raises:
      UserError: it states what cannot be served.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise UserError("custom_model_config is not supported: list models in model_config_list")
    models: dict[str, ModelConfig] = {}
    for entry in config.model_config_list.config:
        model = _model(entry)
        if model.name in models:
            raise UserError(f"Illegal to list model {model.name} multiple times in config list")
        models[model.name] = model
    return tuple(models.values())


def _model(config: messages.ModelConfig) -> ModelConfig:
    name, platform = config.name, config.model_platform or TENSORFLOW
    if not name:
        raise UserError("a model has no name: --model_name, or `name` in a config file")
    if platform not in (TENSORFLOW, TFLITE):
        raise UserError(
            f"Model {name} requests unsupported platform {platform} "
            f"(choose from: {TENSORFLOW}, {TFLITE})"
        )
    if config.HasField("logging_config"):
        logging.warning("Model %s: requests are not recorded; logging_config has no effect", name)
    return ModelConfig(
        name=name,
        base_path=_base_path(config.base_path, name),
        policy=_policy(config),
        labels=dict(config.version_labels),
        platform=platform,
    )


def _policy(config: messages.ModelConfig) -> Policy:
    policy = config.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return All()
    if choice == "specific":
        return Specific(tuple(sorted(set(policy.specific.versions))))
    return Latest(max(1, policy.latest.num_versions))


def _base_path(path: str, name: str) -> Path:
    if not path:
        raise UserError(f"Model {name} has no base path")
    try:
        return addresses.local(path).expanduser().absolute()
    except (UserError, RuntimeError) as error:  # There is no such user.
        raise UserError(f"Model {name}: base path {path}: {error}") from error

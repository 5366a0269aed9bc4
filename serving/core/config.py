"""What to serve, as its user states it: flags, or TF Serving's ModelServerConfig.

Source of the format: https://www.tensorflow.org/tfx/serving/serving_config.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging

from ...base.errors import UserError
from . import versions

TENSORFLOW, TFLITE = "tensorflow", "tflite"

_MESSAGE = "tensorflow.serving.ModelServerConfig"


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
      name: under which it is asked for.
      base_path: the folder of its versions, absolute.
      policy: which of them to serve.
      labels: version by label.
      platform: `tensorflow`, or `tflite` to take only the TFLite file of each version.
    """

    name: str
    base_path: Path
    policy: versions.Policy = dataclasses.field(default_factory=versions.Latest)
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    platform: str = TENSORFLOW


def from_flags(model_name: str, model_base_path: str) -> tuple[ModelConfig, ...]:
    """The one model that the flags of these names state.

    Raises:
      UserError: it has no name, or no path of this machine.
    """
    return (
        ModelConfig(_name(model_name, "--model_name"), _base_path(model_base_path, model_name)),
    )


def read(path: Path, *, again: bool = False) -> tuple[ModelConfig, ...]:
    """Reads a config file.

    Args:
      path: of a text-format ModelServerConfig.
      again: whether this replaces a config that is in force. A file that states
        nothing, perhaps one that is being written, then is an error.

    Raises:
      UserError: it cannot be read, or is not such a file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: Error parsing text-format {_MESSAGE}: not UTF-8") from error
    try:
        message = _parse(text)
        if again and message.WhichOneof("config") is None:
            raise UserError("Taking no action for empty config.")
        return from_message(message)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def parse(text: str) -> tuple[ModelConfig, ...]:
    """The models that a text-format ModelServerConfig lists; none where it states nothing.

    Raises:
      UserError: it is not such a text.
    """
    return from_message(_parse(text))


def from_message(config: Any) -> tuple[ModelConfig, ...]:
    """The models that a ModelServerConfig message lists.

    Raises:
      UserError: it states what cannot be served.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise UserError("custom_model_config is not supported: list models in model_config_list")
    models: dict[str, ModelConfig] = {}
    for each in config.model_config_list.config:
        model = _model(each)
        if model.name in models:
            raise UserError(f"Illegal to list model {model.name} multiple times in config list")
        models[model.name] = model
    return tuple(models.values())


def _parse(text: str) -> Any:
    # An import that takes its time, of a package that imports TensorFlow.
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    messages: Any = model_server_config_pb2  # Its classes are made when it is imported.
    try:
        return text_format.Parse(text, messages.ModelServerConfig())
    except text_format.ParseError as error:  # Its text begins with line and column.
        raise UserError(f"Error parsing text-format {_MESSAGE}: {error}") from error


def _model(config: Any) -> ModelConfig:
    name = _name(config.name, "model_config_list")
    platform = config.model_platform or TENSORFLOW
    if platform not in (TENSORFLOW, TFLITE):
        raise UserError(
            f"Model {name} requests unsupported platform {platform} "
            f"(there are: {TENSORFLOW}, {TFLITE})"
        )
    if config.HasField("logging_config"):
        logging.warning("Model %s: requests are not recorded; logging_config has no effect", name)
    return ModelConfig(
        name=name,
        base_path=_base_path(config.base_path, name),
        policy=_policy(config.model_version_policy),
        labels=dict(config.version_labels),
        platform=platform,
    )


def _policy(policy: Any) -> versions.Policy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return versions.All()
    if choice == "specific":
        return versions.Specific(tuple(sorted(set(policy.specific.versions))))
    return versions.Latest(max(1, policy.latest.num_versions))


def _name(name: str, where: str) -> str:
    if not name:
        raise UserError(f"{where}: a model has no name")
    return name


def _base_path(path: str, name: str) -> Path:
    if not path:
        raise UserError(f"Model {name} has no base path")
    if "://" in path:
        raise UserError(
            f"Model {name}: base path {path} is not on this machine's file system; mount it"
        )
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:  # There is no such user.
        raise UserError(f"Model {name}: base path {path}: {error}") from error
